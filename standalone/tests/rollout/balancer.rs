//! What stands before the gateways: gives each client the next one of those that say that they are ready.
//!
//! It looks at `/ready` as Kubernetes does, now and then, so it sends clients to a gateway for a moment after that is not ready
//! any more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use tidegate_testkit::gateway::{Gateway, get};
use tokio::time::{interval, timeout};

/// How it looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) period: Duration,
    /// Bad answers, one after the other, after which a gateway gets no clients.
    pub(crate) failures: u32,
}

/// A gateway behind it.
#[derive(Debug, Clone)]
struct Endpoint {
    address: String,
    websocket: Rc<str>,
    /// It got ready once.
    is_known: bool,
    failures: u32,
}

/// Round it goes.
#[derive(Debug)]
pub(crate) struct Balancer {
    probe: Probe,
    endpoints: RefCell<Vec<Endpoint>>,
    turn: Cell<usize>,
}

impl Balancer {
    pub(crate) fn new(probe: Probe) -> Rc<Self> {
        Rc::new(Self {
            probe,
            endpoints: RefCell::default(),
            turn: Cell::new(0),
        })
    }

    pub(crate) fn add(&self, gateway: &Gateway) {
        self.endpoints.borrow_mut().push(Endpoint {
            address: gateway.address().to_owned(),
            websocket: gateway.websocket().into(),
            is_known: false,
            failures: 0,
        });
    }

    pub(crate) fn remove(&self, gateway: &Gateway) {
        let mut endpoints = self.endpoints.borrow_mut();
        endpoints.retain(|it| it.address != gateway.address());
    }

    /// Whether it sends clients there.
    pub(crate) fn has(&self, gateway: &Gateway) -> bool {
        let endpoints = self.endpoints.borrow();
        let mut ready = endpoints.iter().filter(|it| self.is_ready(it));
        ready.any(|it| it.address == gateway.address())
    }

    /// Where the next client goes.
    ///
    /// # Panics
    /// When no gateway is ready: in a rollout some always are.
    pub(crate) fn choose(&self) -> Rc<str> {
        let endpoints = self.endpoints.borrow();
        let ready: Vec<_> = endpoints.iter().filter(|it| self.is_ready(it)).collect();
        assert!(!ready.is_empty(), "no gateway is ready");
        let turn = self.turn.replace(self.turn.get() + 1);
        Rc::clone(&ready[turn % ready.len()].websocket)
    }

    /// Looks for ever.
    pub(crate) async fn look(&self) {
        let mut looks = interval(self.probe.period);
        loop {
            looks.tick().await;
            let addresses = self.addresses();
            let answers = addresses.iter().map(|it| self.ask(it));
            let answers = join_all(answers).await;
            for (address, is_ready) in addresses.iter().zip(answers) {
                self.note(address, is_ready);
            }
        }
    }

    fn addresses(&self) -> Vec<String> {
        let endpoints = self.endpoints.borrow();
        endpoints.iter().map(|it| it.address.clone()).collect()
    }

    async fn ask(&self, address: &str) -> bool {
        let patience = self.probe.period.max(Duration::from_secs(1));
        let answer = timeout(patience, get(address, "/ready")).await;
        answer.is_ok_and(|it| it.is_ok_and(|(status, _)| status == 200))
    }

    fn note(&self, address: &str, is_ready: bool) {
        let mut endpoints = self.endpoints.borrow_mut();
        if let Some(endpoint) = endpoints.iter_mut().find(|it| it.address == address) {
            endpoint.is_known |= is_ready;
            endpoint.failures = if is_ready { 0 } else { endpoint.failures + 1 };
        }
    }

    fn is_ready(&self, endpoint: &Endpoint) -> bool {
        endpoint.is_known && endpoint.failures < self.probe.failures
    }
}
