//! The profile of a process's operators, from the logs that timely and differential keep.
//!
//! Each worker has its own figures; a buffer of events at a time is added to them, at the end of
//! each step at the latest. Readers add the workers up. All workers of a dataflow install it at the
//! same place in their order, so an operator has the same address on each of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use timely::logging::{ChannelsEvent, MessagesEvent, StartStop, TimelyEvent};
use timely::worker::Worker;

use super::find_panicked_operator;
use diptych_base::lock_mutex::lock;
use diptych_dataflow::{Graph, GraphChannel, GraphOperator};

/// The figures of all workers of a process.
#[derive(Default)]
pub struct Profile {
    workers: Mutex<Vec<Arc<Mutex<Figures>>>>,
}

/// The figures of one worker. Operators and channels share one range of small numbers.
#[derive(Default)]
struct Figures {
    operators: Vec<Operator>,
    channels: Vec<Channel>,
    /// Operators that are running, the innermost last.
    running: Vec<Running>,
}

#[derive(Clone, Default)]
struct Operator {
    /// The operator's address; empty until the log has announced it.
    address: Vec<usize>,
    name: String,
    busy: Duration,
    /// Updates in the operator's arrangement; a worker may log a removal before the addition.
    held: i64,
}

#[derive(Clone, Default)]
struct Channel {
    edge: Option<Edge>,
    sent: i64,
    received: i64,
}

/// A channel: its scope, its source and its target, with their ports.
type Edge = (Vec<usize>, (usize, usize), (usize, usize));

struct Running {
    id: usize,
    since: Duration,
    /// Time spent in the operators inside.
    inside: Duration,
}

impl Profile {
    /// Records figures of everything that is installed on `worker` from now on.
    pub fn watch(&self, worker: &Worker) {
        let figures = Arc::<Mutex<Figures>>::default();
        let timely = Arc::clone(&figures);
        find_panicked_operator::watch(worker, move |events| {
            let mut figures = lock(&timely);
            for (at, event) in events.drain(..) {
                figures.timely(at, event);
            }
        });
        // A worker without a clock keeps no logs.
        let Some(mut register) = worker.log_register() else { return };
        let held = Arc::clone(&figures);
        let name = "differential/arrange";
        register.insert::<DifferentialEventBuilder, _>(name, move |_, events| {
            let Some(events) = events else { return };
            let mut figures = lock(&held);
            for (_, event) in events.drain(..) {
                figures.differential(&event);
            }
        });
        lock(&self.workers).push(figures);
    }

    /// The graph of the dataflow with this name, if one was installed.
    pub fn graph(&self, dataflow: &str) -> Option<Graph> {
        let workers = lock(&self.workers).clone();
        let mut sum = Sum::default();
        for figures in &workers {
            sum.add(&lock(figures), dataflow);
        }
        (!sum.operators.is_empty()).then(|| sum.graph())
    }
}

impl Figures {
    fn timely(&mut self, at: Duration, event: TimelyEvent) {
        match event {
            TimelyEvent::Operates(event) => {
                let operator = slot(&mut self.operators, event.id);
                (operator.address, operator.name) = (event.addr, event.name);
            }
            TimelyEvent::Channels(ChannelsEvent { id, scope_addr, source, target, .. }) => {
                slot(&mut self.channels, id).edge = Some((scope_addr, source, target));
            }
            TimelyEvent::Messages(MessagesEvent { is_send, channel, record_count, .. }) => {
                let channel = slot(&mut self.channels, channel);
                *(if is_send { &mut channel.sent } else { &mut channel.received }) += record_count;
            }
            TimelyEvent::Schedule(event) => match event.start_stop {
                StartStop::Start => {
                    self.running.push(Running { id: event.id, since: at, inside: Duration::ZERO });
                }
                StartStop::Stop => self.stopped(event.id, at),
            },
            _ => {}
        }
    }

    fn stopped(&mut self, id: usize, at: Duration) {
        let Some(started) = self.running.iter().rposition(|running| running.id == id) else {
            return;
        };
        // Operators inside that did not end have panicked.
        self.running.truncate(started + 1);
        let Some(Running { since, inside, .. }) = self.running.pop() else { return };
        let spent = at.saturating_sub(since);
        slot(&mut self.operators, id).busy += spent.saturating_sub(inside);
        if let Some(around) = self.running.last_mut() {
            around.inside += spent;
        }
    }

    fn differential(&mut self, event: &DifferentialEvent) {
        let (operator, more, fewer) = match event {
            DifferentialEvent::Batch(event) => (event.operator, event.length, 0),
            DifferentialEvent::Drop(event) => (event.operator, 0, event.length),
            DifferentialEvent::Merge(event) => match event.complete {
                Some(length) => (event.operator, length, event.length1 + event.length2),
                None => return,
            },
            _ => return,
        };
        slot(&mut self.operators, operator).held += more as i64 - fewer as i64;
    }
}

/// The entry numbered `id`, added when it does not exist yet.
fn slot<T: Clone + Default>(list: &mut Vec<T>, id: usize) -> &mut T {
    if list.len() <= id {
        list.resize(id + 1, T::default());
    }
    &mut list[id]
}

/// The figures of several workers, by address.
#[derive(Default)]
struct Sum {
    /// The number of workers that have the dataflow.
    workers: usize,
    operators: BTreeMap<Vec<usize>, (usize, Operator)>,
    channels: BTreeMap<usize, Channel>,
}

impl Sum {
    /// Adds the figures of one worker for the dataflow called `name`.
    fn add(&mut self, figures: &Figures, name: &str) {
        // A dataflow is drawn in an inner scope of the worker's dataflow, under the same name.
        let named = |operator: &&Operator| operator.address.len() == 2 && operator.name == name;
        // The engine's own dataflows come before the served ones.
        let Some(root) = figures.operators.iter().rfind(named).map(|root| root.address[0]) else {
            return;
        };
        self.workers += 1;
        for (id, operator) in figures.operators.iter().enumerate() {
            if operator.address.len() > 1 && operator.address.first() == Some(&root) {
                let first = || (id, Operator { busy: Duration::ZERO, held: 0, ..operator.clone() });
                let (_, sum) = self.operators.entry(operator.address.clone()).or_insert_with(first);
                sum.busy += operator.busy;
                sum.held += operator.held;
            }
        }
        for (id, channel) in figures.channels.iter().enumerate() {
            let Some((scope, ..)) = &channel.edge else { continue };
            if scope.first() == Some(&root) {
                let sum = self.channels.entry(id).or_default();
                sum.edge.clone_from(&channel.edge);
                sum.sent += channel.sent;
                sum.received += channel.received;
            }
        }
    }

    fn graph(&self) -> Graph {
        let mut arrived = BTreeMap::<usize, i64>::new();
        let mut left = BTreeMap::<usize, i64>::new();
        let mut channels = Vec::new();
        for channel in self.channels.values() {
            let Some((scope, source, target)) = &channel.edge else { continue };
            let (Some(from), Some(to)) = (self.id(scope, source.0), self.id(scope, target.0))
            else {
                continue;
            };
            // At a scope's border, the input is a sender seen from inside, and the output a
            // receiver: those records are counted outside.
            if source.0 > 0 {
                *left.entry(from).or_default() += channel.sent;
            }
            if target.0 > 0 {
                *arrived.entry(to).or_default() += channel.received;
            }
            let from = (from, source.1);
            let to = (to, target.1);
            channels.push(GraphChannel { from, to, records: whole(channel.sent) });
        }
        let operators = self.operators.iter().map(|(address, (id, operator))| {
            let around =
                (1..address.len()).filter_map(|depth| self.operators.get(&address[..depth]));
            GraphOperator {
                id: *id,
                name: operator.name.clone(),
                scope: around.map(|(id, _)| *id).collect(),
                records_in: whole(arrived.get(id).copied().unwrap_or(0)),
                records_out: whole(left.get(id).copied().unwrap_or(0)),
                busy: operator.busy,
                records_held: whole(operator.held),
            }
        });
        Graph { workers: self.workers, operators: operators.collect(), channels }
    }

    /// The id of the operator with a number in a scope; number 0 is the scope's own border.
    fn id(&self, scope: &[usize], number: usize) -> Option<usize> {
        let mut address = scope.to_vec();
        if number > 0 {
            address.push(number);
        }
        self.operators.get(&address).map(|(id, _)| *id)
    }
}

/// A count as an unsigned number; one read between two buffers may look negative.
fn whole(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
