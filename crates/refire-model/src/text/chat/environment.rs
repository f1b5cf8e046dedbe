//! The Jinja environment that transformers compiles chat templates in.

use super::clock::{self, DateTime};
use super::{filters, json, methods, python};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};
use std::sync::Arc;

pub(super) type Clock = Arc<dyn Fn() -> DateTime + Send + Sync>;

pub(super) fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(|out, _, value| Ok(out.write_str(&python::to_str(value))?));
    environment.set_unknown_method_callback(methods::call);
    environment.add_filter("tojson", tojson);
    environment.add_filter("string", |value: &Value| python::to_str(value));
    environment.add_filter("trim", methods::trim);
    environment.add_filter("int", filters::int);
    environment.add_filter("float", filters::float);
    environment.add_filter("center", filters::center);
    environment.add_filter("wordcount", filters::wordcount);
    environment.add_function("dict", filters::dict);
    environment.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
    environment.add_function("raise_exception", raise_exception);
    set_clock(&mut environment, Arc::new(DateTime::now_utc));
    Ok(environment)
}

pub(super) fn set_clock(environment: &mut Environment<'static>, clock: Clock) {
    environment.add_function("strftime_now", move |format: &str| clock::strftime(&clock(), format));
}

/// `json.dumps` with transformers' defaults.
fn tojson(value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let style = json::Style::new(&args, &kwargs)?;
    kwargs.assert_all_used()?;
    Ok(Value::from(json::dumps(value, &style)?))
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// Jinja's test; unlike in minijinja, `None` isn't iterable.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// Jinja's test: what has a length and can be indexed, which dicts and texts do too.
fn is_sequence(value: &Value) -> bool {
    let listed = [ValueKind::Seq, ValueKind::Iterable, ValueKind::Map, ValueKind::String];
    value.is_undefined() || listed.contains(&value.kind())
}
