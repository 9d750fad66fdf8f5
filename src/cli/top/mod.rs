//! `top`: shows a server or a data directory, once a second.
//!
//! Nothing is measured here: a server reports its state at `/v1/status`, `/metrics` and with the
//! graphs of its dataflows, and rates are differences between two reports.

mod picture;
mod sample;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};

use super::data_dir_or_server::OpenTarget;
use super::dataflow_catalog::Dataflows;
use super::signal;
use super::view_read_args::TopArgs;
use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::answers;
use picture::Picture;
use sample::TopSample;

/// How often a new picture is drawn.
const REFRESH: Duration = Duration::from_secs(1);
/// The time between the two samples of a single picture.
const APART: Duration = Duration::from_millis(400);
/// How long to wait for a key: signals are checked in between.
const LOOK: Duration = Duration::from_millis(100);

/// Draws pictures until told to leave, or one only.
pub(super) fn run(args: &TopArgs, catalog: &Dataflows) -> Result<ExitCode> {
    let place = args.place.place()?;
    let catalog = Dataflows::new(catalog.all().to_vec(), None);
    let look = move || match &place {
        OpenTarget::Data(system) => TopSample::of_data(system, &catalog),
        OpenTarget::Server(server) => TopSample::of_server(server),
    };
    let first = look()?;
    if args.once {
        sleep(APART);
        let picture = Picture { before: Some(first), now: look()?, trouble: None };
        return print(&picture.lines()?.join("\n")).map(|()| ExitCode::SUCCESS);
    }
    if !answers().1 {
        return Err(Error::new(Kind::Input, "standard output is no terminal")
            .remedy("print one picture with --once"));
    }
    signal::watch()?;
    // A server that hangs must not block the keys: this thread is not joined.
    let (told, samples) = sync_channel(0);
    std::thread::spawn(move || {
        loop {
            sleep(REFRESH);
            if told.send(look()).is_err() {
                return;
            }
        }
    });
    // This restores the terminal on a panic, too.
    let outcome = ratatui::try_init()
        .map_err(|error| Error::io("taking over the terminal", error))
        .and_then(|mut terminal| watch(&mut terminal, first, &samples));
    let restored = ratatui::try_restore();
    outcome?;
    restored.map_err(|error| Error::io("giving back the terminal", error))?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<()> {
    match writeln!(answers().0, "{text}") {
        // The reader has closed standard output (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Error::io("writing to standard output", error)),
    }
}

/// Draws each sample that comes, until a key or a signal ends it.
fn watch(
    terminal: &mut DefaultTerminal,
    first: TopSample,
    samples: &Receiver<Result<TopSample>>,
) -> Result<()> {
    let mut picture = Picture { before: None, now: first, trouble: None };
    let drawing = |error| Error::io("drawing", error);
    let mut due = Instant::now();
    while !signal::stopped() {
        while let Ok(next) = samples.try_recv() {
            match next {
                Ok(sample) => {
                    picture.before = Some(std::mem::replace(&mut picture.now, sample));
                    picture.trouble = None;
                }
                Err(error) => picture.trouble = Some(error.to_string()),
            }
            due = Instant::now();
        }
        if due <= Instant::now() {
            terminal.draw(|frame| picture.draw(frame)).map_err(drawing)?;
            due = Instant::now() + REFRESH;
        }
        if !event::poll(LOOK).map_err(drawing)? {
            continue;
        }
        match event::read().map_err(drawing)? {
            Event::Key(key) if leaves(key) => return Ok(()),
            Event::Resize(..) => due = Instant::now(),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a key ends the command. In raw mode Ctrl-C is a key like any other.
fn leaves(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c' | 'd') => control,
        _ => false,
    }
}
