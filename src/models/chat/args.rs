//! Arguments of Python's functions: by place or by name.

use minijinja::value::{Kwargs, Rest, Tuple, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, Value};

/// All arguments of a filter.
pub(super) type More = Rest<ValueOrKwargs>;

/// What was given for each of a function's parameters.
pub(super) struct Args<'a> {
    names: &'a [&'a str],
    given: Vec<Option<Value>>,
}

impl<'a> Args<'a> {
    /// # Errors
    /// More arguments than `names`, or one of another name.
    pub fn bind(values: &[Value], names: &'a [&'a str]) -> Result<Self, Error> {
        let (by_place, by_name): (&[Value], Kwargs) = from_args(values)?;
        if by_place.len() > names.len() {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        let given = names
            .iter()
            .enumerate()
            .map(|(i, name)| match by_place.get(i) {
                Some(value) => Ok(Some(value.clone())),
                None => by_name.get::<Option<Value>>(name),
            });
        let given = given.collect::<Result<_, _>>()?;
        by_name.assert_all_used()?;
        Ok(Self { names, given })
    }

    /// What was given, if it is not none.
    pub fn any(&self, i: usize) -> Option<&Value> {
        self.given[i].as_ref().filter(|value| !value.is_none())
    }

    /// What was given, none or not.
    pub fn given(&self, i: usize) -> Result<&Value, Error> {
        let given = self.given[i].as_ref();
        given.ok_or_else(|| {
            Error::new(
                ErrorKind::MissingArgument,
                format!("{} is missing", self.names[i]),
            )
        })
    }

    pub fn needed(&self, i: usize) -> Result<&Value, Error> {
        self.any(i).ok_or_else(|| {
            Error::new(
                ErrorKind::MissingArgument,
                format!("{} is missing", self.names[i]),
            )
        })
    }

    pub fn text(&self, i: usize) -> Result<&str, Error> {
        self.needed(i)?
            .as_str()
            .ok_or_else(|| self.wrong(i, "a text"))
    }

    pub fn text_if(&self, i: usize) -> Result<Option<&str>, Error> {
        self.any(i).map(|_| self.text(i)).transpose()
    }

    pub fn int_if(&self, i: usize) -> Result<Option<i64>, Error> {
        let Some(value) = self.any(i) else {
            return Ok(None);
        };
        let number = match value.kind() {
            ValueKind::Bool => Some(i64::from(value.is_true())),
            _ => value.as_i64().filter(|_| value.is_integer()),
        };
        number
            .map(Some)
            .ok_or_else(|| self.wrong(i, "a whole number"))
    }

    pub fn is(&self, i: usize) -> bool {
        self.any(i).is_some_and(Value::is_true)
    }

    /// True where nothing was given.
    pub fn is_unless(&self, i: usize) -> bool {
        self.given[i].as_ref().is_none_or(Value::is_true)
    }

    fn wrong(&self, i: usize, wanted: &str) -> Error {
        invalid(format!("{} is to be {wanted}", self.names[i]))
    }
}

pub(super) fn invalid(told: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, told.into())
}

/// A tuple.
pub(super) fn tuple<const N: usize>(parts: [&str; N]) -> Value {
    Value::from(Tuple::new(parts.map(Value::from).to_vec()))
}
