//! What a pass did, so that gradients find their way back through it.
//!
//! candle's autograd gives every tensor a gradient of zeros and adds to it, on one core, before
//! anything reads it. Here gradients are handed on, and added only where two meet. Each operation
//! says what its inputs gain by its output; where it has no gradient of its own, candle's autograd
//! tells, of that operation alone.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use candle_core::{CustomOp1, CustomOp2, CustomOp3, DType, Result, Tensor, TensorId, Var};

use super::sum::sum;

/// From the gradient of an output to those of the inputs, in their order; none where nobody asked.
type Back = Box<dyn FnOnce(&Tensor) -> Result<Vec<Option<Tensor>>>>;

/// The operations of one pass, in their order. Tensors are known by their identity: variables are
/// where gradients end.
pub(super) struct Tape {
    learning: bool,
    nodes: RefCell<Vec<Node>>,
    /// What depends on a variable.
    tracked: RefCell<HashSet<TensorId>>,
}

struct Node {
    /// None for one whose gradient nobody wants.
    inputs: Vec<Option<TensorId>>,
    output: TensorId,
    back: Back,
}

/// What each variable gains, by its identity.
pub(super) type Gradients = HashMap<TensorId, Tensor>;

impl Tape {
    /// One that remembers, where something is to be learnt.
    pub fn new(learning: bool) -> Self {
        Self {
            learning,
            nodes: RefCell::default(),
            tracked: RefCell::default(),
        }
    }

    /// Whether a gradient of `x` is wanted.
    pub fn tracks(&self, x: &Tensor) -> bool {
        self.learning && (x.is_variable() || self.tracked.borrow().contains(&x.id()))
    }

    /// Writes an operation down, with what its inputs gain by its output.
    pub fn record(
        &self,
        inputs: &[&Tensor],
        output: &Tensor,
        back: impl FnOnce(&Tensor) -> Result<Vec<Option<Tensor>>> + 'static,
    ) {
        let wanted = inputs.iter().map(|x| self.tracks(x).then(|| x.id()));
        let wanted: Vec<Option<TensorId>> = wanted.collect();
        // An operation that changed nothing gave its input back: there is nothing to lead through.
        if wanted.iter().all(Option::is_none) || wanted.contains(&Some(output.id())) {
            return;
        }
        self.tracked.borrow_mut().insert(output.id());
        self.nodes.borrow_mut().push(Node {
            inputs: wanted,
            output: output.id(),
            back: Box::new(back),
        });
    }

    /// An output of one input, and what that gains.
    fn unary(
        &self,
        x: &Tensor,
        output: Tensor,
        back: impl FnOnce(&Tensor) -> Result<Tensor> + 'static,
    ) -> Tensor {
        self.record(&[x], &output, move |grad| Ok(vec![Some(back(grad)?)]));
        output
    }

    /// What all variables gain where `output` gains `grad`. What was remembered is let go on the
    /// way.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn backward(self, output: &Tensor, grad: Tensor) -> Result<Gradients> {
        let mut grads = HashMap::from([(output.id(), grad)]);
        let mut nodes = self.nodes.into_inner();
        while let Some(node) = nodes.pop() {
            let Some(grad) = grads.remove(&node.output) else {
                continue;
            };
            let parts = (node.back)(&grad)?;
            for (input, part) in node.inputs.into_iter().zip(parts) {
                let (Some(input), Some(part)) = (input, part) else {
                    continue;
                };
                let whole = match grads.remove(&input) {
                    Some(other) => sum(&other, &part)?,
                    None => part,
                };
                grads.insert(input, whole);
            }
        }
        Ok(grads)
    }

    /// An operation of our own with one input.
    pub fn op1(&self, x: &Tensor, op: impl CustomOp1 + 'static) -> Result<Tensor> {
        let y = x.apply_op1_no_bwd(&op)?;
        let (input, output) = (x.clone(), y.clone());
        self.record(&[x], &y, move |grad| {
            Ok(vec![op.bwd(&input, &output, grad)?])
        });
        Ok(y)
    }

    /// One with two.
    pub fn op2(&self, a: &Tensor, b: &Tensor, op: impl CustomOp2 + 'static) -> Result<Tensor> {
        let y = a.apply_op2_no_bwd(b, &op)?;
        let (inputs, output) = ((a.clone(), b.clone()), y.clone());
        self.record(&[a, b], &y, move |grad| {
            let (a, b) = op.bwd(&inputs.0, &inputs.1, &output, grad)?;
            Ok(vec![a, b])
        });
        Ok(y)
    }

    /// One with three.
    pub fn op3(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        op: impl CustomOp3 + 'static,
    ) -> Result<Tensor> {
        let y = a.apply_op3_no_bwd(b, c, &op)?;
        let (inputs, output) = ((a.clone(), b.clone(), c.clone()), y.clone());
        self.record(&[a, b, c], &y, move |grad| {
            let (a, b, c) = op.bwd(&inputs.0, &inputs.1, &inputs.2, &output, grad)?;
            Ok(vec![a, b, c])
        });
        Ok(y)
    }

    /// Anything in candle's terms, whose autograd tells what the inputs gain; those whose gradient
    /// is wanted are copied, as variables of its own.
    pub fn composed(
        &self,
        inputs: &[&Tensor],
        f: impl FnOnce(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let wanted: Vec<bool> = inputs.iter().map(|x| self.tracks(x)).collect();
        let own = inputs.iter().zip(&wanted).map(|(x, wanted)| match wanted {
            true => Ok(Var::from_tensor(&x.detach())?.as_tensor().clone()),
            false => Ok(x.detach()),
        });
        let own: Vec<Tensor> = own.collect::<Result<_>>()?;
        let y = f(&own)?;
        let output = y.detach();
        self.record(inputs, &output, move |grad| {
            let mut grads = (y * grad)?.sum_all()?.backward()?;
            let parts = own.iter().zip(wanted);
            Ok(parts
                .map(|(x, wanted)| wanted.then(|| grads.remove(x)).flatten())
                .collect())
        });
        Ok(output)
    }

    pub fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let y = sum(&a.detach(), &b.detach())?;
        self.record(&[a, b], &y, |grad| {
            Ok(vec![Some(grad.clone()), Some(grad.clone())])
        });
        Ok(y)
    }

    /// `x * scale + shift`
    pub fn affine(&self, x: &Tensor, scale: f64, shift: f64) -> Result<Tensor> {
        let y = x.detach().affine(scale, shift)?;
        Ok(self.unary(x, y, move |grad| match scale {
            1.0 => Ok(grad.clone()),
            _ => grad * scale,
        }))
    }

    /// Adds a bias (n) to all rows of `x` (tokens, n).
    pub fn add_bias(&self, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let bias_there = bias.detach().to_dtype(x.dtype())?;
        let y = x.detach().broadcast_add(&bias_there)?;
        let dtype = bias.dtype();
        self.record(&[x, bias], &y, move |grad| {
            let of_bias = grad.sum(0)?.to_dtype(dtype)?;
            Ok(vec![Some(grad.clone()), Some(of_bias)])
        });
        Ok(y)
    }

    /// The same numbers in another type.
    pub fn cast(&self, x: &Tensor, dtype: DType) -> Result<Tensor> {
        if x.dtype() == dtype {
            return Ok(x.clone());
        }
        let (y, before) = (x.detach().to_dtype(dtype)?, x.dtype());
        Ok(self.unary(x, y, move |grad| grad.to_dtype(before)))
    }

    pub fn reshape(&self, x: &Tensor, dims: (usize, usize)) -> Result<Tensor> {
        let (y, before) = (x.detach().reshape(dims)?, x.shape().clone());
        Ok(self.unary(x, y, move |grad| grad.reshape(before)))
    }

    /// Those of the entries of a dimension that `index` names, once or more often.
    pub fn select(&self, x: &Tensor, index: &Tensor, dim: usize) -> Result<Tensor> {
        let y = x.detach().index_select(index, dim)?;
        let (before, index) = (x.detach(), index.clone());
        Ok(self.unary(x, y, move |grad| {
            let grad = grad.to_dtype(before.dtype())?.contiguous()?;
            before.zeros_like()?.index_add(&index, &grad, dim)
        }))
    }

    /// Some columns of (tokens, width).
    pub fn columns(&self, x: &Tensor, first: usize, count: usize) -> Result<Tensor> {
        let width = x.dim(1)?;
        let y = x.detach().narrow(1, first, count)?.contiguous()?;
        Ok(self.unary(x, y, move |grad| {
            grad.pad_with_zeros(1, first, width - first - count)
        }))
    }

    /// (tokens, width) side by side.
    pub fn beside(&self, parts: &[Tensor]) -> Result<Tensor> {
        let plain: Vec<Tensor> = parts.iter().map(Tensor::detach).collect();
        let widths: Vec<usize> = parts.iter().map(|x| x.dim(1)).collect::<Result<_>>()?;
        let y = Tensor::cat(&plain, 1)?;
        let inputs: Vec<&Tensor> = parts.iter().collect();
        self.record(&inputs, &y, move |grad| {
            let mut first = 0;
            let part = |width| {
                let part = grad.narrow(1, first, width)?.contiguous()?;
                first += width;
                Ok(Some(part))
            };
            widths.into_iter().map(part).collect()
        });
        Ok(y)
    }
}
