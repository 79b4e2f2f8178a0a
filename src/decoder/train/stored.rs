//! Trained tensors under the names and in the shapes in which models are stored.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Result, Tensor, Var};

use super::param::{Gain, Linear, Param, Table, Trained};
use crate::decoder::net::Net;
use crate::models::{DecoderConfig, Slot};

/// A tensor by its stored name.
pub(super) type Named = (String, Tensor);

/// Every variable of a net and of what low ranks add to it, in an order that is always the same.
pub(super) fn vars(net: &Net<Trained>) -> Vec<Var> {
    let mut vars = Vec::new();
    if let Table::Own(table) = &net.embedding {
        vars.extend(table.var().cloned());
    }
    if let Some(Table::Own(table)) = &net.positions {
        vars.extend(table.var().cloned());
    }
    for layer in &net.layers {
        layer
            .linears
            .iter()
            .for_each(|linear| of_linear(linear, &mut vars));
        let heads = [&layer.q_norm, &layer.k_norm];
        let norms = heads.into_iter().chain(&layer.norms).flatten();
        norms.for_each(|norm| of_norm(norm, &mut vars));
    }
    net.norm.iter().for_each(|norm| of_norm(norm, &mut vars));
    of_linear(&net.head, &mut vars);
    vars
}

fn of_linear(linear: &Linear, vars: &mut Vec<Var>) {
    vars.extend(linear.weight.var().cloned());
    vars.extend(linear.bias.iter().filter_map(Param::var).cloned());
    for low in &linear.low {
        vars.extend([low.a.clone(), low.b.clone()]);
    }
}

fn of_norm(norm: &Gain, vars: &mut Vec<Var>) {
    let params = [Some(&norm.gain), norm.bias.as_ref()];
    vars.extend(params.into_iter().flatten().filter_map(Param::var).cloned());
}

/// All tensors of a model as its checkpoint has them: the way back from `build`.
///
/// # Errors
/// None that is expected.
pub(super) fn tensors(net: &Net<Trained>, config: &DecoderConfig) -> Result<Vec<Named>> {
    let names = &config.names;
    let mut all = vec![named(names.embedding, "weight", &net.embedding)];
    if let Some(table) = &net.positions {
        all.push(named(names.positions, "weight", table));
    }
    for (index, layer) in net.layers.iter().enumerate() {
        let prefix = config.layer_name(index);
        for slot in Slot::ALL {
            all.extend(parts(config, &prefix, slot, &layer.linears[slot as usize])?);
        }
        let heads = [&layer.q_norm, &layer.k_norm];
        for (name, norm) in ["self_attn.q_norm", "self_attn.k_norm"].iter().zip(heads) {
            all.extend(
                norm.iter()
                    .flat_map(|n| norms(&format!("{prefix}.{name}"), n)),
            );
        }
        for (name, norm) in names.norms.iter().zip(&layer.norms) {
            all.extend(
                norm.iter()
                    .flat_map(|n| norms(&format!("{prefix}.{name}"), n)),
            );
        }
    }
    all.extend(net.norm.iter().flat_map(|n| norms(names.final_norm, n)));
    if !config.tied {
        all.push(named(names.head, "weight", &net.head.weight));
        all.extend(net.head.bias.iter().map(|b| named(names.head, "bias", b)));
    }
    Ok(all)
}

fn named(name: &str, kind: &str, tensor: &Tensor) -> Named {
    (format!("{name}.{kind}"), tensor.detach())
}

fn norms(name: &str, norm: &Gain) -> Vec<Named> {
    let gain = named(name, "weight", &norm.gain);
    let bias = norm.bias.iter().map(|b| named(name, "bias", b));
    [gain].into_iter().chain(bias).collect()
}

/// The stored matrices that a linear layer was put together from.
fn parts(config: &DecoderConfig, layer: &str, slot: Slot, linear: &Linear) -> Result<Vec<Named>> {
    let stack = config.stack(slot);
    let stored = |x: &Tensor| match stack.per_head {
        true => heads_first(x, config.head_dim),
        false => Ok(x.detach()),
    };
    let weight = stored(&linear.weight)?;
    let bias = linear.bias.as_deref().map(stored).transpose()?;
    let (mut all, mut first) = (Vec::new(), 0);
    for (name, n) in &stack.parts {
        let name = format!("{layer}.{name}");
        let rows = weight.narrow(0, first, *n)?;
        let rows = if config.names.transposed {
            rows.t()?
        } else {
            rows
        };
        all.push(named(&name, "weight", &rows.contiguous()?));
        if let Some(bias) = &bias {
            all.push(named(
                &name,
                "bias",
                &bias.narrow(0, first, *n)?.contiguous()?,
            ));
        }
        first += n;
    }
    Ok(all)
}

/// From rows ordered (q|k|v, head, dimension) to (head, q|k|v, dimension).
fn heads_first(x: &Tensor, head_dim: usize) -> Result<Tensor> {
    let heads = x.dim(0)? / (3 * head_dim);
    let order = (0..heads).flat_map(|head| (0..3).map(move |part| (part * heads + head) as u32));
    let order = Tensor::new(order.collect::<Vec<_>>(), x.device())?;
    let width = x.elem_count() / (3 * heads);
    let blocks = x
        .detach()
        .reshape((3 * heads, width))?
        .index_select(&order, 0)?;
    blocks.reshape(x.dims())
}

/// Which stored row each row of the net's order is: the inverse of [`heads_first`].
pub(super) fn parts_first_order(n: usize, head_dim: usize) -> Vec<u32> {
    let heads = n / (3 * head_dim);
    let row = |part: usize, head: usize, i: usize| ((head * 3 + part) * head_dim + i) as u32;
    (0..3)
        .flat_map(|part| {
            (0..heads).flat_map(move |head| (0..head_dim).map(move |i| row(part, head, i)))
        })
        .collect()
}

/// Writes tensors in safetensors, in 16 bits where `halves`.
pub(super) fn write(tensors: Vec<Named>, path: &Path, halves: bool) -> Result<()> {
    let dtype = if halves { DType::F16 } else { DType::F32 };
    let stored = |(name, tensor): Named| {
        let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(dtype)?;
        Ok((name, tensor.contiguous()?))
    };
    let tensors = tensors.into_iter().map(stored);
    let tensors = tensors.collect::<Result<HashMap<_, _>>>()?;
    candle_core::safetensors::save(&tensors, path)
}
