//! Weights as training keeps them.

use std::ops::Deref;

use candle_core::{Device, Result, Tensor, Var};

use crate::decoder::pass::{Keep, Kinds};
use crate::models::{NormKind, Stored};

/// Weights as candle's variables, or frozen ones.
pub(super) struct Trained {
    pub device: Device,
    pub frozen: bool,
    pub norm: NormKind,
}

/// One tensor, in f32.
pub(super) enum Param {
    Var(Var),
    Frozen(Tensor),
}

/// A linear layer: (n, k), `n` biases, and what a low rank adds.
pub(super) struct Linear {
    pub weight: Param,
    pub bias: Option<Param>,
    pub low: Vec<Low>,
}

/// `scale B (A x)`, added to some of a matrix's outputs (Hu et al. 2021, LoRA).
pub(super) struct Low {
    /// The matrix's name, as it is stored.
    pub name: String,
    /// (rank, k)
    pub a: Var,
    /// (n, rank), in the order in which rows are stored.
    pub b: Var,
    pub scale: f64,
    /// The first of the outputs that it is added to.
    pub first: usize,
    /// Where stored rows stand in another order: which of them each output is.
    pub order: Option<Tensor>,
}

/// A norm's parameters.
pub(super) struct Gain {
    /// As it is stored: less 1 in families that add it.
    pub gain: Param,
    pub bias: Option<Param>,
    pub eps: f64,
    pub plus_one: bool,
}

impl Deref for Param {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        match self {
            Self::Var(var) => var,
            Self::Frozen(tensor) => tensor,
        }
    }
}

impl Param {
    pub fn var(&self) -> Option<&Var> {
        match self {
            Self::Var(var) => Some(var),
            Self::Frozen(_) => None,
        }
    }
}

impl Trained {
    fn param(&self, values: Vec<f32>, shape: &[usize]) -> Result<Param> {
        Ok(match self.frozen {
            false => Param::Var(Var::from_vec(values, shape, &self.device)?),
            true => Param::Frozen(Tensor::from_vec(values, shape, &self.device)?),
        })
    }
}

impl Kinds for Trained {
    type Matrix = Linear;
    type Norm = Gain;
    /// Shared with the head where that is tied.
    type Table = Table;
}

impl Keep for Trained {
    type Kinds = Self;

    fn matrix(&self, rows: Stored, n: usize, k: usize, bias: Option<Vec<f32>>) -> Result<Linear> {
        Ok(Linear {
            weight: self.param(rows.into_plain()?, &[n, k])?,
            bias: bias.map(|b| self.param(b, &[n])).transpose()?,
            low: Vec::new(),
        })
    }

    fn norm(&self, eps: f64, mut gain: Vec<f32>, bias: Option<Vec<f32>>) -> Result<Gain> {
        let n = gain.len();
        let plus_one = self.norm == NormKind::RmsPlusOne;
        if plus_one {
            gain.iter_mut().for_each(|g| *g -= 1.0);
        }
        Ok(Gain {
            gain: self.param(gain, &[n])?,
            bias: bias.map(|b| self.param(b, &[n])).transpose()?,
            eps,
            plus_one,
        })
    }

    fn table(&self, rows: Stored, width: usize) -> Result<Table> {
        let rows = rows.into_plain()?;
        let n = rows.len() / width;
        self.param(rows, &[n, width]).map(Table::Own)
    }

    fn tied(&self, matrix: &Linear) -> Table {
        Table::Tied((*matrix.weight).clone())
    }
}

/// Rows to look up.
pub(super) enum Table {
    Own(Param),
    /// The head's rows: of one identity with them, so that gradients meet.
    Tied(Tensor),
}

impl Deref for Table {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        match self {
            Self::Own(param) => param,
            Self::Tied(tensor) => tensor,
        }
    }
}
