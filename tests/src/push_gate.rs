//! The gate through which WeChat's pushes come in, and at which their handlers die.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::awaits::mortal;

/// Where WeChat's pushes come in: the functions' own routes, which die when they are told to.
pub struct PushGate {
    /// Its address.
    pub url: String,
    behind: Arc<Behind>,
    serving: JoinHandle<()>,
}

struct Behind {
    router: Mutex<Router>,
    kills: Mutex<VecDeque<usize>>,
    deaths: Mutex<usize>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for PushGate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl PushGate {
    /// Opens a gate to `router`.
    pub async fn open(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let behind = Arc::new(Behind { router: Mutex::new(router), kills: Mutex::default(), deaths: Mutex::default() });
        let gate = Router::new().fallback(pass).with_state(Arc::clone(&behind));
        let serving = tokio::spawn(async move { axum::serve(listener, gate).await.expect("it serves") });
        Self { url, behind, serving }
    }

    /// Leads to another router from now on.
    pub fn lead_to(&self, router: Router) {
        *locked(&self.behind.router) = router;
    }

    /// The next handler that no other call meant dies after so many polls.
    pub fn kill_next(&self, polls: usize) {
        locked(&self.behind.kills).push_back(polls);
    }

    /// Nobody dies any more.
    pub fn be_kind(&self) {
        locked(&self.behind.kills).clear();
    }

    /// How many handlers died since this was asked last.
    pub fn take_deaths(&self) -> usize {
        std::mem::take(&mut locked(&self.behind.deaths))
    }
}

async fn pass(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let router = locked(&behind.router).clone();
    let dies = locked(&behind.kills).pop_front();
    match mortal(dies, router.oneshot(request)).await {
        Some(Ok(response)) => response,
        // What Lambda answers for a function that died.
        None => {
            *locked(&behind.deaths) += 1;
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}
