//! Collects the events of a thread, with their fields and spans.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) level: Level,
    pub(crate) target: String,
    /// The innermost span first.
    pub(crate) spans: Vec<&'static str>,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Told {
    pub(crate) fn message(&self) -> &str {
        &self.fields["message"]
    }

    #[track_caller]
    pub(crate) fn assert(&self, level: Level, fields: &[(&str, &str)]) {
        assert_eq!((self.level, &*self.target), (level, "upsock"), "{self:?}");
        for (name, value) in fields {
            assert_eq!(
                self.fields.get(name).map(String::as_str),
                Some(*value),
                "{name} of {self:?}"
            );
        }
    }
}

/// Collects what this thread is told.
#[derive(Clone, Default)]
pub(crate) struct Listener(Arc<Mutex<Vec<Told>>>);

impl Listener {
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let listener = Self::default();
        let guard = Registry::default().with(listener.clone()).set_default();
        (listener, guard)
    }

    pub(crate) fn all(&self) -> Vec<Told> {
        let told = self.0.lock().unwrap();
        let ours = |told: &&Told| ["upsock", "test"].contains(&&*told.target);
        told.iter().filter(ours).cloned().collect()
    }

    /// The only event with this message.
    #[track_caller]
    pub(crate) fn only(&self, message: &str) -> Told {
        let mut found: Vec<Told> = self
            .all()
            .into_iter()
            .filter(|told| told.message() == message)
            .collect();
        assert_eq!(found.len(), 1, "{message} in {:#?}", self.all());
        found.remove(0)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let scope = context.event_scope(event).into_iter().flatten();
        self.0.lock().unwrap().push(Told {
            level: *event.metadata().level(),
            target: event.metadata().target().into(),
            spans: scope.map(|span| span.name()).collect(),
            fields: fields.0,
        });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
