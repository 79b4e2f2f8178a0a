//! Where a model's arithmetic happens, and in which number type.

use candle_core::{DType, Device};

use super::pool::pool;
use crate::models::{LoadError, brief};

/// The user's wish for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first of CUDA, Metal and CPU that this build and this machine have.
    #[default]
    Auto,
    Cpu,
    Cuda,
    Metal,
}

/// Which implementation of the operations to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// Own SIMD kernels; on the CPU only.
    Fast,
    /// Plain candle tensors; on every device. On the CPU it is the oracle for `Fast`.
    Plain,
}

/// How the CPU's own kernels multiply weights that are quantised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sums {
    /// In f32, by what the weights stand for: recordings and comparisons are made so.
    #[default]
    Exact,
    /// As whole numbers, activations rounded to 16 bits first; exactly, where the machine or the
    /// format has no such kernel.
    Rounded,
}

impl Sums {
    /// By the user's wish.
    #[must_use]
    pub fn wished(exact: bool) -> Self {
        if exact { Self::Exact } else { Self::Rounded }
    }
}

/// A device, the number type on it and the kernels used.
#[derive(Debug, Clone)]
pub struct Placement {
    pub(super) device: Device,
    pub(super) dtype: DType,
    pub(super) kernels: Kernels,
    pub(super) sums: Sums,
    /// Whether logits stay where they are also on the CPU: so the ways of devices are tested.
    pub(super) far: bool,
}

impl Placement {
    /// Opens the device that was asked for.
    ///
    /// # Errors
    /// [`LoadError::Device`] when a device was named that this build or machine does not have.
    pub fn pick(choice: DeviceChoice) -> Result<Self, LoadError> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu(Kernels::Fast)),
            DeviceChoice::Cuda => Self::cuda(),
            DeviceChoice::Metal => Self::metal(),
            DeviceChoice::Auto => Ok(Self::cuda()
                .or_else(|_| Self::metal())
                .unwrap_or_else(|_| Self::cpu(Kernels::Fast))),
        }
    }

    /// The CPU, in f32.
    #[must_use]
    pub fn cpu(kernels: Kernels) -> Self {
        Self {
            device: Device::Cpu,
            dtype: DType::F32,
            kernels,
            sums: Sums::Exact,
            far: false,
        }
    }

    /// The same place, where logits are fetched in blocks as from a device.
    #[must_use]
    pub fn with_far_logits(self) -> Self {
        Self { far: true, ..self }
    }

    /// Whether logits stay on the device until they are asked for.
    pub(super) fn stays_there(&self) -> bool {
        self.far || !self.device.is_cpu()
    }

    /// The same place with other sums.
    #[must_use]
    pub fn with_sums(self, sums: Sums) -> Self {
        Self { sums, ..self }
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The type of weights and activations.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    #[must_use]
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// Bytes that are free on a device with memory of its own; `None` where that is not told.
    #[must_use]
    pub fn free_memory(&self) -> Option<u64> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => {
                let (free, _) = device.cuda_stream().context().mem_get_info().ok()?;
                Some(free as u64)
            }
            _ => None,
        }
    }

    /// In words, such as "cpu, 2 threads, f32".
    #[must_use]
    pub fn describe(&self) -> String {
        let dtype = self.dtype.as_str();
        match self.device {
            Device::Cpu => {
                let n = pool().current_num_threads();
                format!("cpu, {n} thread{}, {dtype}", if n == 1 { "" } else { "s" })
            }
            Device::Cuda(_) => format!("cuda, {dtype}"),
            Device::Metal(_) => format!("metal, {dtype}"),
        }
    }

    fn cuda() -> Result<Self, LoadError> {
        if !candle_core::utils::cuda_is_available() {
            return Err(LoadError::Device(
                "this build has no CUDA: build with --features cuda or choose --device cpu".into(),
            ));
        }
        let device = Device::new_cuda(0).map_err(|e| absent("CUDA", &e))?;
        Ok(Self {
            device,
            dtype: DType::BF16,
            kernels: Kernels::Plain,
            sums: Sums::Exact,
            far: false,
        })
    }

    fn metal() -> Result<Self, LoadError> {
        if !candle_core::utils::metal_is_available() {
            return Err(LoadError::Device(
                "this build has no Metal: build with --features metal or choose --device cpu"
                    .into(),
            ));
        }
        let device = Device::new_metal(0).map_err(|e| absent("Metal", &e))?;
        Ok(Self {
            device,
            dtype: DType::F16,
            kernels: Kernels::Plain,
            sums: Sums::Exact,
            far: false,
        })
    }
}

fn absent(what: &str, error: &candle_core::Error) -> LoadError {
    LoadError::Device(format!(
        "no {what} device can be opened ({}): choose --device cpu",
        brief(error)
    ))
}
