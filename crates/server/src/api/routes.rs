//! Routes, and what is said of them.

use std::future::Future;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Map, Value};

use super::operation::Forms;
use super::{Answers, Asks, Operation};
use crate::app::House;
use crate::problem::Problem;

/// What a handler can't say of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    /// Names the operation in generated clients.
    pub(super) id: &'static str,
    /// What it does, in a line.
    pub(super) summary: &'static str,
}

/// An operation's name, and what it does in a line.
pub(crate) const fn about(id: &'static str, summary: &'static str) -> About {
    About { id, summary }
}

/// Routes that are served as they are described.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<House>,
    described: Vec<Described>,
}

/// An operation, to be described when somebody wants to know.
pub(super) struct Described {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) about: About,
    pub(super) describe: fn(&'static str, &mut Forms) -> Map<String, Value>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn get<H, T, D>(self, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, House> + Describes<D>,
        T: 'static,
    {
        self.on(Method::GET, MethodFilter::GET, path, handler, about)
    }

    pub(crate) fn post<H, T, D>(self, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, House> + Describes<D>,
        T: 'static,
    {
        self.on(Method::POST, MethodFilter::POST, path, handler, about)
    }

    pub(crate) fn patch<H, T, D>(self, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, House> + Describes<D>,
        T: 'static,
    {
        self.on(Method::PATCH, MethodFilter::PATCH, path, handler, about)
    }

    pub(crate) fn delete<H, T, D>(self, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, House> + Describes<D>,
        T: 'static,
    {
        self.on(Method::DELETE, MethodFilter::DELETE, path, handler, about)
    }

    fn on<H, T, D>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self
    where
        H: Handler<T, House> + Describes<D>,
        T: 'static,
    {
        self.described.push(Described { method, path, about, describe: H::describe });
        self.router = self.router.route(path, on(filter, handler));
        self
    }

    /// A route that is no part of the API: the dashboard's own, and the description itself.
    pub(crate) fn route(mut self, path: &str, methods: MethodRouter<House>) -> Self {
        self.router = self.router.route(path, methods);
        self
    }

    pub(crate) fn merge(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.described.extend(others.described);
        self
    }

    pub(crate) fn into_router(self) -> Router<House> {
        self.router
    }

    pub(super) fn described(self) -> Vec<Described> {
        self.described
    }
}

/// A handler that says what it asks for and answers with. `D` is the tuple of its arguments.
pub(crate) trait Describes<D> {
    /// The operation that it is at `path`.
    fn describe(path: &'static str, forms: &mut Forms) -> Map<String, Value>;
}

macro_rules! handlers {
    ($($argument:ident)*) => {
        impl<F, R, $($argument,)*> Describes<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> R,
            R: Future<Output: Answers>,
            $($argument: Asks,)*
        {
            fn describe(path: &'static str, forms: &mut Forms) -> Map<String, Value> {
                let mut operation = Operation::new(path, forms);
                $($argument::say(&mut operation);)*
                R::Output::say(&mut operation);
                // Whoever may not call is told so before the handler is asked.
                Problem::say(&mut operation);
                operation.described()
            }
        }
    };
}

handlers!();
handlers!(A);
handlers!(A B);
handlers!(A B C);
handlers!(A B C D);
handlers!(A B C D E);
handlers!(A B C D E G);
