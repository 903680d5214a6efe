//! Traces: what is done for whom, as spans. Where nothing is traced there is no tracer, and a [`Span`]
//! is nothing: no text is made for it and nothing is allocated.

use std::borrow::Cow;
use std::sync::Arc;

use crate::time::Timestamp;
use crate::trace::TraceParent;

/// Begins spans.
pub trait Tracer: Send + Sync + 'static {
    /// Begins a span.
    fn begin(&self, beginning: Beginning) -> Span;
}

/// How a span begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// What is done. Few different ones: what there are many of is an attribute.
    pub name: Cow<'static, str>,
    /// On which side of a conversation it is.
    pub kind: SpanKind,
    /// The span that it is part of; without one it begins a trace.
    pub parent: Option<TraceParent>,
    /// Spans of other traces that it has to do with.
    pub links: Vec<TraceParent>,
    /// When it began, if not now.
    pub began_at: Option<Timestamp>,
    /// What is known of it from the beginning.
    pub attributes: Vec<(&'static str, Attribute)>,
}

impl Beginning {
    /// A span of this name, inside of what it is about.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            kind: SpanKind::Internal,
            parent: None,
            links: Vec::new(),
            began_at: None,
            attributes: Vec::new(),
        }
    }

    /// On that side of a conversation.
    pub fn kind(self, kind: SpanKind) -> Self {
        Self { kind, ..self }
    }

    /// Part of that span, if there is one.
    pub fn below(self, parent: Option<TraceParent>) -> Self {
        Self { parent, ..self }
    }

    /// With this attribute.
    pub fn with(mut self, key: &'static str, value: impl Into<Attribute>) -> Self {
        self.attributes.push((key, value.into()));
        self
    }
}

/// On which side of a conversation a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// On none.
    Internal,
    /// It answers.
    Server,
    /// It asks, and waits for the answer.
    Client,
    /// It leaves something to be taken up later.
    Producer,
    /// It takes up what was left.
    Consumer,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
    /// A number.
    Float(f64),
    /// Texts.
    Texts(Vec<Cow<'static, str>>),
}

impl From<&'static str> for Attribute {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Attribute {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<f64> for Attribute {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

/// A span that a [`Tracer`] has begun.
pub trait OpenSpan: Send + Sync {
    /// Its place in its trace.
    fn place(&self) -> TraceParent;

    /// Begins a span by the same tracer.
    fn begin(&self, beginning: Beginning) -> Span;

    /// Says more of it.
    fn set(&self, key: &'static str, value: Attribute);

    /// Says that what it is about has failed; `kind` is one of few words, and no message.
    fn fail(&self, kind: &str);

    /// Ends it, now or at a moment. It has ended then: nothing more is said of it.
    fn end(&self, at: Option<Timestamp>);
}

/// A span that is under way, or none. It ends with the last of its clones, if nobody ends it before.
#[derive(Clone, Default)]
pub struct Span(Option<Arc<dyn OpenSpan>>);

impl Span {
    /// No span: whatever is said of it, nothing happens.
    pub const NONE: Self = Self(None);

    /// That one.
    pub fn of(span: Arc<dyn OpenSpan>) -> Self {
        Self(Some(span))
    }

    /// Its place in its trace; `None` where nothing is traced.
    pub fn place(&self) -> Option<TraceParent> {
        self.0.as_ref().map(|span| span.place())
    }

    /// Begins a span that is part of this one. Where nothing is traced, nobody is asked how.
    pub fn child(&self, beginning: impl FnOnce() -> Beginning) -> Self {
        self.0.as_ref().map_or(Self::NONE, |span| span.begin(beginning().below(Some(span.place()))))
    }

    /// Says more of it, if it is one.
    pub fn tell(&self, more: impl FnOnce(&dyn OpenSpan)) {
        if let Some(span) = &self.0 {
            more(&**span);
        }
    }

    /// Says that what it is about has failed: see [`OpenSpan::fail`].
    pub fn fail(&self, kind: &str) {
        self.tell(|span| span.fail(kind));
    }

    /// Ends it now.
    pub fn end(&self) {
        self.tell(|span| span.end(None));
    }
}
