//! The interface of a ring: it may go, come back, or get another name.

use std::io;

use super::socket::Socket;
use crate::live::Event;
use crate::live::interface::{Wanted, shown};

/// What was asked for, and where it is now.
#[derive(Debug)]
pub struct Target {
    /// Its present name.
    pub name: String,
    /// The name by which it is looked for when it is gone.
    given: String,
    /// The interface that the socket is bound to, 0 for all; None while there is none.
    index: Option<i32>,
    pub device_type: u16,
    promiscuous: bool,
    /// It exists and is up.
    pub present: bool,
}

impl Target {
    pub fn new(wanted: &Wanted, promiscuous: bool) -> Self {
        Self {
            name: wanted.name.clone(),
            given: wanted.name.clone(),
            index: None,
            device_type: libc::ARPHRD_ETHER,
            promiscuous,
            present: false,
        }
    }

    pub fn all(&self) -> bool {
        self.index == Some(0)
    }

    pub fn bind(&mut self, socket: &Socket, index: i32) -> io::Result<()> {
        if index == 0 {
            socket.bind(0)?;
            self.present = true;
        } else {
            let state = socket.state(&self.name)?;
            socket.bind(index)?;
            if self.promiscuous {
                socket.promiscuous(index)?;
            }
            self.device_type = state.device_type;
            self.present = state.up;
            // That of an interface that is down.
            socket.take_error();
        }
        self.index = Some(index);
        Ok(())
    }

    /// What has changed, and the number of an interface that is there again, to be bound.
    pub fn look(&mut self, socket: &Socket, now: i64) -> (Vec<Event>, Option<i32>) {
        let mut events = Vec::new();
        if self.all() {
            return (events, None);
        }
        socket.take_error();
        if let Some(index) = self.index {
            if let Some(name) = socket.name(index) {
                if name != self.name {
                    let what = format!("is called {} now: still captured", shown(&name));
                    events.push(self.event(now, &what));
                    self.name = name;
                }
                let up = socket.state(&self.name).is_ok_and(|state| state.up);
                if up != self.present {
                    let how = if up { "is up again" } else { "is down" };
                    events.push(self.event(now, how));
                    self.present = up;
                }
            } else {
                events.push(self.event(now, "is gone"));
                self.name.clone_from(&self.given);
                self.index = None;
                self.present = false;
            }
        }
        match self.index {
            None => (events, socket.index(&self.given)),
            Some(_) => (events, None),
        }
    }

    /// It could not be bound.
    pub fn lost(&mut self) {
        self.index = None;
        self.present = false;
    }

    /// That it is bound again.
    pub fn back(&self, now: i64) -> Event {
        let how = if self.present {
            "is back"
        } else {
            "is back, but down"
        };
        self.event(now, how)
    }

    fn event(&self, now: i64, what: &str) -> Event {
        Event {
            time: now,
            interface: self.name.clone(),
            text: format!("{}: {what}", shown(&self.name)),
        }
    }
}
