//! The interfaces that frames of a ring came by.

use std::collections::HashMap;

use super::block::Slot;
use super::socket::Socket;
use crate::Interface;
use crate::live::interface::{ANY, Link};

/// As many interfaces are told apart when all are captured; containers come and go.
const MOST: usize = 4096;

/// The interfaces that frames came by.
#[derive(Debug, Default)]
pub struct Origins {
    pub interfaces: Vec<Interface>,
    /// By number and device type.
    known: HashMap<(i32, u16), u32>,
    /// The last one that was asked for.
    last: Option<((i32, u16), u32)>,
}

impl Origins {
    #[inline]
    pub fn of(&mut self, slot: &Slot, socket: &Socket) -> u32 {
        let key = (slot.interface, slot.device_type);
        match self.last {
            Some((last, origin)) if last == key => origin,
            _ => self.look_up(key, socket),
        }
    }

    fn look_up(&mut self, key: (i32, u16), socket: &Socket) -> u32 {
        let known = self.known.get(&key).copied();
        let origin = known.unwrap_or_else(|| self.meet(key, socket));
        self.last = Some((key, origin));
        origin
    }

    /// An interface that frames come by for the first time.
    fn meet(&mut self, key: (i32, u16), socket: &Socket) -> u32 {
        if self.known.len() >= MOST {
            return self.interfaces.len() as u32 - 1;
        }
        let (index, device_type) = key;
        let given = self.interfaces.first().and_then(|first| first.name.clone());
        // Under its first name, whatever it is called later.
        let name = given.filter(|name| name != ANY);
        let name = name
            .or_else(|| socket.name(index))
            .unwrap_or_else(|| format!("interface {index}"));
        let origin = self.add(&name, Link::of(device_type));
        self.known.insert(key, origin);
        origin
    }

    /// The interface of that name and link type; it is new, or has come back with another number.
    pub fn add(&mut self, name: &str, link: Link) -> u32 {
        let interface = crate::live::interface(name, link.number());
        let place = self.interfaces.iter().position(|one| *one == interface);
        let place = place.unwrap_or_else(|| {
            self.interfaces.push(interface);
            self.interfaces.len() - 1
        });
        place as u32
    }
}
