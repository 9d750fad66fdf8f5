//! A named dataflow, before it is compiled.

use std::sync::{Arc, OnceLock};

use super::builder::{Plan, StreamInfo};
use super::operators_without_state::DrawnOperators;
use super::{Dataflow, newest_event_time};
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{Random as _, RealRandom};
use diptych_base::panics::caught;
use diptych_base::time::Epoch;
use diptych_row::ViewInfo;

/// A dataflow's name and function: everything a layer needs to compile it.
#[derive(Clone)]
pub struct Definition {
    name: Arc<str>,
    function: Arc<dyn Fn(&mut Dataflow<'_>) + Send + Sync>,
}

/// The description of a dataflow: its streams, accumulations and views.
#[derive(Clone, Debug)]
pub struct Description {
    /// The dataflow's name.
    pub name: String,
    /// Its pinned version, or a hash of the executable.
    pub version: String,
    /// Was the version pinned by the function?
    pub pinned: bool,
    /// The streams that the dataflow reads.
    pub streams: Vec<StreamInfo>,
    /// The accumulations: name, and operator with types as text.
    pub accumulations: Vec<(String, String)>,
    /// The views that the dataflow publishes.
    pub views: Vec<ViewInfo>,
    /// The retentions, as text: what is kept, and how long.
    pub retained: Vec<String>,
    /// A hash of names, types and retentions; closures are not covered.
    pub fingerprint: u64,
    /// Can all state stay in files? Every accumulation can, and what is behind them keeps none.
    /// Known to [`Definition::describe`] only.
    pub state_in_files: bool,
}

impl Definition {
    /// A dataflow of a name and a function. Names become directory names: letters, digits, `_` and
    /// `-`.
    pub fn new(
        name: impl Into<Arc<str>>,
        function: impl Fn(&mut Dataflow<'_>) + Send + Sync + 'static,
    ) -> Self {
        Definition { name: name.into(), function: Arc::new(function) }
    }

    /// The dataflow's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The error for a panic of the function while it draws.
    pub fn panicked(&self, panic: &str) -> Error {
        let message = format!("dataflow {:?} panics while it is drawn: {panic}", self.name);
        Error::new(Kind::Panic, message).remedy("mend the function")
    }

    /// Draws the dataflow in `scope`.
    pub fn draw<'s>(&self, scope: timely::dataflow::Scope<'s, Epoch>) -> Result<Plan<'s>> {
        let mut dataflow = Dataflow::new(scope);
        (self.function)(&mut dataflow);
        dataflow.finish().map_err(|error| error.within(format!("dataflow {:?}", self.name)))
    }

    /// Compiles the function once, in a throw-away worker, to find its streams and views.
    ///
    /// # Errors
    /// When the function draws something impossible, such as two views of one name, or panics.
    pub fn describe(&self) -> Result<Description> {
        let described = caught(|| self.describe_alone());
        described.unwrap_or_else(|panic| Err(self.panicked(&panic)))
    }

    fn describe_alone(&self) -> Result<Description> {
        let definition = self.clone();
        timely::execute_directly(move |worker| {
            let operators = DrawnOperators::watch(worker);
            let index = worker.next_dataflow_index();
            let described = worker.dataflow(|scope| {
                let plan = definition.draw(scope)?;
                let in_files = plan.barriers.iter().all(|barrier| barrier.keeps_in_files());
                Ok::<_, Error>((in_files, Description::of(&definition.name, &plan)))
            });
            let pass_on = operators.pass_rows_on(worker);
            worker.drop_dataflow(index);
            let (in_files, description) = described?;
            Ok(Description { state_in_files: in_files && pass_on, ..description })
        })
    }
}

impl Description {
    /// The description of a plan.
    pub fn of(name: &str, plan: &Plan<'_>) -> Self {
        Description {
            name: name.to_owned(),
            version: plan.version.clone().unwrap_or_else(|| executable_version().to_owned()),
            pinned: plan.version.is_some(),
            streams: plan.streams.clone(),
            accumulations: plan
                .barriers
                .iter()
                .map(|barrier| {
                    // The retentions decide the contents of the other accumulations.
                    let types = match barrier.signature() {
                        newest_event_time::SIGNATURE => {
                            format!("newest; {}", plan.retained.join("; "))
                        }
                        types => types.to_owned(),
                    };
                    (barrier.name().to_owned(), types)
                })
                .collect(),
            views: plan.views.iter().map(|(info, _)| info.clone()).collect(),
            retained: plan.retained.clone(),
            fingerprint: plan.fingerprint(),
            state_in_files: false,
        }
    }

    /// Name, version and fingerprint as text: all processes of one computation must have the same.
    pub fn plan(&self) -> String {
        let Description { name, version, fingerprint, .. } = self;
        format!("{name} version {version} (plan {fingerprint:016x})")
    }

    /// The id of the view called `name`.
    pub fn view(&self, name: &str) -> Result<usize> {
        self.views.iter().position(|view| view.name == name).ok_or_else(|| {
            let known: Vec<_> = self.views.iter().map(|view| view.name.as_str()).collect();
            let message = format!("dataflow {:?} has no view {name:?}", self.name);
            Error::new(Kind::Missing, message).remedy(format!("it publishes {}", known.join(", ")))
        })
    }
}

/// A hash of the running executable: another build is another version. Where the executable cannot
/// be read, no two processes have the same version, so that none trusts the files of another build.
fn executable_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| match diptych_base::io::executable_digest() {
        Some(digest) => format!("build-{digest:016x}"),
        None => format!("unknown-{:016x}", RealRandom.next()),
    })
}

impl<F> From<(&str, F)> for Definition
where
    F: Fn(&mut Dataflow<'_>) + Send + Sync + 'static,
{
    /// The dataflow of a name and a function.
    fn from((name, function): (&str, F)) -> Self {
        Definition::new(name, function)
    }
}

/// Several functions as dataflows, each named after its function.
///
/// ```
/// # use dataflows::{bank, word_count};
/// let flows = diptych::flows![word_count, bank];
/// assert_eq!(flows[1].name(), "bank");
/// ```
#[macro_export]
macro_rules! flows {
    ($($function:ident),+ $(,)?) => {
        vec![$($crate::Definition::new(stringify!($function), $function)),+]
    };
}
