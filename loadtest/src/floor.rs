//! The least that a server on this machine can be, to hold others against: one thread, one epoll, and one `send` to each
//! subscriber for all that came meanwhile.
//!
//! It speaks the dialect `raw`, believes every client, and looks up nothing of a subscriber but its socket, so that what it
//! costs is what the kernel costs.

mod client;

use std::collections::HashMap;
use std::io::{self, Write};
use std::mem;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_websocket::{Opcode, write_frame};

use client::Client;

/// Events taken from the kernel at a time.
const EVENTS: usize = 1_024;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

/// Bytes read at a time.
const READ: usize = 64 << 10;

/// What a client says: one of these fields besides its id, or none.
#[derive(Debug, Deserialize)]
struct Command {
    id: u32,
    subscribe: Option<String>,
    unsubscribe: Option<String>,
    publish: Option<String>,
    data: Option<Box<RawValue>>,
}

#[derive(Debug, Default)]
struct Channel {
    /// Their descriptors.
    subscribers: Vec<usize>,
    /// Frames that came meanwhile.
    frames: Vec<u8>,
}

#[derive(Debug)]
struct Floor {
    epoll: OwnedFd,
    listener: TcpListener,
    /// By descriptor.
    clients: Vec<Option<Client>>,
    channels: HashMap<String, Channel>,
    /// Channels with frames.
    touched: Vec<String>,
}

/// Serves on a free port of loopback, which it names on standard output, until it is killed.
///
/// # Errors
/// When the system refuses something essential.
pub fn serve() -> Result<()> {
    let mut floor = Floor::new()?;
    writeln!(io::stdout(), "ws://{}/", floor.listener.local_addr()?)?;
    let mut events = Vec::with_capacity(EVENTS);
    let mut scratch = vec![0; READ];
    loop {
        events.clear();
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&floor.epoll, room, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll fails"),
        }
        for event in &events {
            let place = event.data.u64() as usize;
            if place == floor.door() {
                floor.accept()?;
            } else if floor.serve(place, event.flags, &mut scratch).is_err() {
                floor.leave(place);
            }
        }
        floor.deliver();
    }
}

impl Floor {
    fn new() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        let floor = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            listener,
            clients: Vec::new(),
            channels: HashMap::new(),
            touched: Vec::new(),
        };
        floor.watch(&floor.listener, EventFlags::IN)?;
        Ok(floor)
    }

    fn door(&self) -> usize {
        self.listener.as_raw_fd() as usize
    }

    fn watch(&self, socket: &(impl AsFd + AsRawFd), flags: EventFlags) -> io::Result<()> {
        let place = EventData::new_u64(socket.as_raw_fd() as u64);
        Ok(epoll::add(&self.epoll, socket, place, flags)?)
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    // Told of changes only, a socket never needs to be asked about again.
                    self.watch(&socket, EventFlags::IN | EventFlags::OUT | EventFlags::ET)?;
                    let place = socket.as_raw_fd() as usize;
                    let size = self.clients.len().max(place + 1);
                    self.clients.resize_with(size, || None);
                    self.clients[place] = Some(Client::new(socket));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Does what a client says.
    fn serve(&mut self, place: usize, flags: EventFlags, scratch: &mut [u8]) -> io::Result<()> {
        let Some(mut client) = self.clients[place].take() else {
            return Ok(());
        };
        if flags.contains(EventFlags::OUT) {
            client.flush()?;
        }
        let mut commands = Vec::new();
        while client.read(scratch, &mut commands)? {}
        for command in commands {
            let done = command.id;
            self.act(place, command);
            let mut frame = Vec::new();
            let answer = format!(r#"{{"done":{done}}}"#);
            write_frame(&mut frame, Opcode::Text, answer.as_bytes());
            client.send(&frame)?;
        }
        self.clients[place] = Some(client);
        Ok(())
    }

    fn act(&mut self, place: usize, command: Command) {
        if let Some(name) = command.subscribe {
            let channel = self.channels.entry(name).or_default();
            channel.subscribers.push(place);
        }
        if let Some(name) = command.unsubscribe
            && let Some(channel) = self.channels.get_mut(&name)
        {
            channel.subscribers.retain(|it| *it != place);
        }
        if let (Some(name), Some(data)) = (command.publish, command.data)
            && let Some(channel) = self.channels.get_mut(&name)
        {
            if channel.frames.is_empty() {
                self.touched.push(name);
            }
            write_frame(&mut channel.frames, Opcode::Text, data.get().as_bytes());
        }
    }

    fn leave(&mut self, place: usize) {
        self.clients[place] = None;
        for channel in self.channels.values_mut() {
            channel.subscribers.retain(|it| *it != place);
        }
    }

    /// Sends what was published.
    fn deliver(&mut self) {
        let mut broken = Vec::new();
        for name in mem::take(&mut self.touched) {
            let Some(channel) = self.channels.get_mut(&name) else {
                continue;
            };
            for place in &channel.subscribers {
                if let Some(client) = &mut self.clients[*place]
                    && client.send(&channel.frames).is_err()
                {
                    broken.push(*place);
                }
            }
            channel.frames.clear();
        }
        broken.into_iter().for_each(|place| self.leave(place));
    }
}
