//! What the model is shown: the conversation as providers insist on it, and as much of it as fits
//! the model's window.

use std::sync::Arc;

use futures::StreamExt;
use postroom_core::message::{Message, Role};
use postroom_core::run::Usage;

use super::Turn;
use crate::model::{Model, ModelError, ModelEvent, ModelRequest, ToolSpec};
use crate::pin::Summary;
use crate::prompt::Shown;
use crate::trace;
use crate::window::{
    Budget, Fitted, Policy, Scale, estimate_request, fit, summary_message, summary_request,
};

/// The window that a model is first taken to have when all that is known is that the conversation
/// was too long for it: what it was estimated at, and no more.
fn window_of(tokens: u64, fixed: u64) -> u64 {
    tokens.saturating_add(fixed)
}

impl Turn {
    /// What the model is asked next.
    pub(super) async fn request(&mut self) -> ModelRequest {
        let definition = &self.agent.definition;
        let mut request = ModelRequest {
            system: definition.system.clone(),
            messages: Vec::new(),
            tools: self.tools_to_show(),
            attempt: self.run.attempt,
            options: definition.options.clone(),
        };
        // A choice that holds for every step would never let the run end.
        if self.steps > 0 {
            request.options.tool_choice = None;
        }
        let fixed = estimate_request(&request);
        let policy = definition.context;
        let answer = definition.options.max_output_tokens;
        let shown = self.shown();
        let window = self.window.or_else(|| self.agent.model.context_window());
        let Some(window) = window else {
            request.messages = messages(shown);
            return request;
        };
        let budget = Budget::new(window, answer, fixed, self.scale);
        let conversation = messages(shown.clone());
        let fitted = fit(&conversation, &budget, policy);
        let span = fitted.summarise.clone().map(|span| &shown[span]);
        request.messages = match span {
            Some(span) if self.summarise(span, &budget).await => {
                fit(&messages(self.shown()), &budget, Policy::Drop).messages
            }
            _ => fitted.messages,
        };
        request
    }

    /// The model has said that this was too long for it; says whether less can be shown.
    pub(super) fn show_less(&mut self, request: &ModelRequest) -> bool {
        let bare = ModelRequest { messages: Vec::new(), ..request.clone() };
        let fixed = estimate_request(&bare);
        let tokens = estimate_request(request).saturating_sub(fixed);
        let answer = request.options.max_output_tokens;
        let known = self.window.or_else(|| self.agent.model.context_window());
        let window = known.unwrap_or_else(|| window_of(tokens, fixed));
        let budget = Budget::new(window, answer, fixed, self.scale);
        let less = budget.after_too_long(self.scale.apply(tokens));
        let Fitted { tokens: left, is_too_long, .. } = fit(&request.messages, &less, Policy::Drop);
        self.window = Some(less.window);
        !is_too_long && left < self.scale.apply(tokens)
    }

    /// What the model has counted tells how good the estimates are.
    pub(super) fn learn(&mut self, request: &ModelRequest, usage: Usage) {
        self.scale = Scale::of(estimate_request(request), usage.input_tokens);
    }

    /// The conversation, with the summary in place of what that stands for.
    fn shown(&self) -> Vec<Shown> {
        let mut shown = self.prompt.for_model();
        let Some(Summary { through_seq, text }) = &self.pin.summary else { return shown };
        let span: Vec<_> = messages(shown.iter().filter(|one| one.seq <= *through_seq).cloned());
        if span.is_empty() {
            return shown;
        }
        let summary = Shown { seq: *through_seq, message: summary_message(&span, text).into() };
        // The operator's word is never summarised.
        shown.retain(|one| one.seq > *through_seq || one.message.role == Role::System);
        let place = shown.iter().take_while(|one| one.seq <= *through_seq).count();
        shown.insert(place, summary);
        shown
    }

    /// Has the span summarised; says whether that worked. Where it did not, the run goes on with
    /// less, which is better than not at all.
    async fn summarise(&mut self, span: &[Shown], budget: &Budget) -> bool {
        let Some(through_seq) = span.last().map(|last| last.seq) else { return false };
        let request = summary_request(&messages(span.to_vec()), budget);
        let span = trace::inference(&self.context.span(), &self.agent, &self.run, &request);
        let heard = tokio::select! {
            biased;
            // The question that follows ends the run as it should.
            _ = self.context.cancelled() => return false,
            () = self.time_is_up() => return false,
            heard = hear_all(&*self.agent.model, request) => heard,
        };
        match heard {
            Ok((text, usage)) => {
                trace::summarised(&span, usage);
                self.pin.summary = Some(Summary { through_seq, text });
                self.pin_is_new = true;
                self.aside += usage;
                true
            }
            Err(error) => {
                trace::unanswered(&span, &error);
                tracing::warn!(run_id = %self.run.id, %error, "the conversation was not summarised");
                false
            }
        }
    }

    /// All that the model may call: tools, what the loop itself can do, and what the client can.
    fn tools_to_show(&self) -> Vec<ToolSpec> {
        let mut tools = self.agent.tools.specs();
        tools.extend(self.agent.abilities.specs());
        tools.extend(self.frontend.iter().cloned());
        tools
    }
}

fn messages(shown: impl IntoIterator<Item = Shown>) -> Vec<Arc<Message>> {
    shown.into_iter().map(|shown| shown.message).collect()
}

/// A whole answer as text, and what it cost.
async fn hear_all(model: &dyn Model, request: ModelRequest) -> Result<(String, Usage), ModelError> {
    let mut text = String::new();
    let mut stream = model.stream(request).await?;
    while let Some(event) = stream.next().await {
        match event? {
            ModelEvent::TextDelta(delta) => text.push_str(&delta),
            ModelEvent::Finished(_) if text.trim().is_empty() => break,
            ModelEvent::Finished(finished) => return Ok((text, finished.usage)),
            _ => {}
        }
    }
    Err(ModelError::transient("the model gave no summary"))
}
