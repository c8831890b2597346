use std::io;
use std::sync::{Arc, Mutex};

/// What `tracing` is told in this process.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<u8>>>);

impl Events {
    /// Listens from now on. Once for each process.
    pub fn listen() -> Self {
        let events = Self::default();
        let writer = events.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        events
    }

    /// Those of upsock.
    pub fn of_upsock(&self) -> String {
        let bytes = self.0.lock().expect("no panic").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().filter(|line| line.contains("upsock")).collect()
    }
}

impl io::Write for Events {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
