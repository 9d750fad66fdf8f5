//! How do visits and funnels follow late events? `cargo run --example sessions`

use std::time::Duration;

use diptych::Result;
use diptych::prelude::*;
use diptych::testing::Live;

#[derive(Event, Clone)]
struct Click {
    at: Timestamp,
    user: String,
    page: String,
}

/// The steps of the funnel, in their order.
const STEPS: [&str; 3] = ["/", "/cart", "/paid"];
const SILENCE: Duration = Duration::from_mins(30);

/// The clicks of each visit of a user, and the funnel steps that each visit reached.
fn visits(df: &mut Dataflow) {
    let clicks = df
        .events::<Click>("clicks")
        .map(|click| (click.user.to_owned(), (click.at, click.page.to_owned())))
        .collect("clicks");
    let visits = clicks.clone().sessions(SILENCE).map(|(visit, _)| (visit, 1_i64)).sum_values();
    let funnel = clicks
        .funnel(SILENCE, |page| STEPS.iter().position(|step| step == page).map(|step| step as u64));
    df.view("visits", visits).columns(&["user", "start", "clicks"]);
    df.view("funnel", funnel).columns(&["user", "start", "reached"]);
}

fn show(live: &Live, what: &str) -> Result<()> {
    println!("{what}:");
    for ((user, start), clicks) in live.rows::<(String, Timestamp), i64>("visits")? {
        println!("  {user} from {start}: {clicks} clicks");
    }
    for (user, (start, reached)) in live.rows::<String, (Timestamp, u64)>("funnel")? {
        println!("  {user} from {start}: {reached} of {} steps", STEPS.len());
    }
    Ok(())
}

fn main() -> Result<()> {
    let mut live = Live::start(("visits", visits))?;
    let click = |at: &str, page: &str| -> Result<Click> {
        Ok(Click { at: at.parse()?, user: "ada".to_owned(), page: page.to_owned() })
    };
    live.feed("clicks", &[click("2026-01-01 10:00", "/")?, click("2026-01-01 10:50", "/paid")?])?;
    show(&live, "two clicks, 50 minutes apart")?;
    live.feed("clicks", &[click("2026-01-01 10:25", "/cart")?])?;
    show(&live, "and a late one between them")
}
