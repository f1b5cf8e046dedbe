//! Finding a GPU.

use clap::ValueEnum;
use refire::burn::tensor::Device;

/// How a GPU is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Api {
    /// wgpu, with shaders in WGSL: Vulkan, Metal or DirectX 12, whichever is there.
    #[value(alias = "webgpu")]
    Wgpu,
    /// wgpu on Vulkan, with shaders in SPIR-V.
    Vulkan,
    /// CUDA.
    Cuda,
}

/// Why there is no device.
pub enum Missing {
    /// Nothing to compute on; what to install.
    Adapter(String),
    /// The program can't reach such a device.
    #[cfg_attr(all(feature = "vulkan", feature = "cuda"), allow(dead_code))]
    Feature(&'static str),
}

/// The device, and what it is called.
pub fn open(api: Api) -> Result<(Device, String), Missing> {
    match api {
        #[cfg(feature = "wgpu")]
        Api::Wgpu => wgpu(refire::burn::tensor::wgpu::WgpuBackend::Auto),
        #[cfg(feature = "vulkan")]
        Api::Vulkan => wgpu(refire::burn::tensor::wgpu::WgpuBackend::Vulkan),
        #[cfg(feature = "cuda")]
        Api::Cuda => cuda(),
        #[cfg(not(feature = "wgpu"))]
        Api::Wgpu => Err(Missing::Feature("wgpu")),
        #[cfg(not(feature = "vulkan"))]
        Api::Vulkan => Err(Missing::Feature("vulkan")),
        #[cfg(not(feature = "cuda"))]
        Api::Cuda => Err(Missing::Feature("cuda")),
    }
}

#[cfg(feature = "wgpu")]
fn wgpu(api: refire::burn::tensor::wgpu::WgpuBackend) -> Result<(Device, String), Missing> {
    let (device, setup) =
        Device::wgpu_options().graphics_api(api).init_with_setup().map_err(|error| {
            let install = "install a driver: `mesa-vulkan-drivers` has one that needs no GPU";
            Missing::Adapter(format!("{error}; {install}"))
        })?;
    let info = setup.adapter.get_info();
    let name = format!("{} ({:?}, {:?})", info.name, info.device_type, info.backend);
    Ok((device, format!("{name}, driver {} {}", info.driver, info.driver_info)))
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<(Device, String), Missing> {
    use refire::burn::tensor::DeviceType;
    // Without a driver the library may panic where it looks for one.
    let found = std::panic::catch_unwind(|| Device::enumerate(DeviceType::Cuda).into_vec());
    let first = found.ok().and_then(|devices| devices.into_iter().next());
    let device = first.ok_or_else(|| {
        let reason = "no CUDA device; install NVIDIA's driver and the NVRTC of CUDA 12 or later";
        Missing::Adapter(reason.to_owned())
    })?;
    let name = format!("{device:?}");
    Ok((device, name))
}
