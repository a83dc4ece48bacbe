//! A small server of the client protocol with history, whose faults are chosen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Sender, channel};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// Messages that may wait for one client.
const QUEUE: usize = 100_000;

/// Ends a connection instead of being sent.
const HANGUP: &str = "hang up";

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Leaves out every tenth message.
    Drop,
    /// Sends every tenth message twice.
    Double,
    /// Sends every tenth message after the one that follows it.
    Swap,
    /// Leaves out the first message that it recovers.
    Forget,
    /// Breaks every subscriber's connection at the twentieth message.
    Hangup,
    /// Says to every second connection that there is no room.
    Busy,
}

#[derive(Debug, Default)]
struct Channel {
    history: Vec<Value>,
    subscribers: Vec<Sender<String>>,
    held: Option<String>,
}

#[derive(Debug)]
struct Server {
    fault: Fault,
    channels: Mutex<HashMap<String, Channel>>,
}

/// Starts a server, and says where it listens. It ends with the test's runtime.
pub(crate) async fn start(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::new(Server {
        fault,
        channels: Mutex::default(),
    });
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let server = Arc::clone(&server);
            match server.fault == Fault::Busy && number % 2 == 0 {
                true => tokio::spawn(refuse(stream)),
                false => tokio::spawn(serve(server, stream)),
            };
        }
    });
    format!("ws://{address}")
}

async fn refuse(mut stream: TcpStream) {
    let mut request = [0; 1024];
    let _read = stream.read(&mut request).await;
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let _written = stream.write_all(answer).await;
}

async fn serve(server: Arc<Server>, stream: TcpStream) {
    let Ok(socket) = accept_async(stream).await else {
        return;
    };
    let (mut sink, mut source) = socket.split();
    let (sender, mut receiver) = channel::<String>(QUEUE);
    let writer = tokio::spawn(async move {
        while let Some(text) = receiver.recv().await {
            if text == HANGUP || sink.send(Message::text(text)).await.is_err() {
                break;
            }
        }
        let _closed = sink.close().await;
    });
    while let Some(Ok(message)) = source.next().await {
        for line in message.to_text().unwrap_or_default().lines() {
            let command: Value = serde_json::from_str(line).unwrap();
            let reply = server.reply(&command, &sender);
            let _sent = sender.try_send(reply.to_string());
        }
    }
    writer.abort();
}

impl Server {
    fn reply(&self, command: &Value, sender: &Sender<String>) -> Value {
        let id = &command["id"];
        if let Some(subscribe) = command.get("subscribe") {
            return json!({"id": id, "subscribe": self.subscribe(subscribe, sender)});
        }
        if let Some(publish) = command.get("publish") {
            self.publish(publish);
            return json!({"id": id, "publish": {}});
        }
        match command.get("connect") {
            Some(_) => json!({"id": id, "connect": {"client": "c", "version": "1"}}),
            None => json!({"id": id, "unsubscribe": {}}),
        }
    }

    fn subscribe(&self, subscribe: &Value, sender: &Sender<String>) -> Value {
        let name = subscribe["channel"].as_str().unwrap().to_owned();
        let mut channels = self.channels.lock().unwrap();
        let channel = channels.entry(name).or_default();
        channel.subscribers.push(sender.clone());
        let top = channel.history.len();
        let mut result = json!({"epoch": "e", "offset": top, "recoverable": true});
        if subscribe["recover"] == true {
            let offset = usize::try_from(subscribe["offset"].as_u64().unwrap()).unwrap();
            let forgotten = usize::from(self.fault == Fault::Forget && offset < top);
            result["publications"] = json!(channel.history[offset + forgotten..]);
            result["was_recovering"] = json!(true);
            result["recovered"] = json!(true);
            result["offset"] = json!(offset);
        }
        result
    }

    fn publish(&self, publish: &Value) {
        let name = publish["channel"].as_str().unwrap();
        let mut channels = self.channels.lock().unwrap();
        let channel = channels.entry(name.to_owned()).or_default();
        let offset = channel.history.len() + 1;
        let publication = json!({"data": publish["data"], "offset": offset});
        channel.history.push(publication.clone());
        let push = json!({"push": {"channel": name, "pub": publication}}).to_string();
        let mut pushes = vec![push];
        match self.fault {
            Fault::Drop if offset.is_multiple_of(10) => pushes.clear(),
            Fault::Double if offset.is_multiple_of(10) => pushes.extend(pushes.clone()),
            Fault::Swap if offset.is_multiple_of(10) => channel.held = pushes.pop(),
            Fault::Hangup if offset == 20 => pushes = vec![HANGUP.to_owned()],
            _ => pushes.extend(channel.held.take()),
        }
        for push in pushes {
            channel
                .subscribers
                .retain(|subscriber| subscriber.try_send(push.clone()).is_ok());
        }
    }
}
