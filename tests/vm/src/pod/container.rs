//! What a container is asked to be.

use k8s_cri::v1::{
    Capability, ContainerConfig, Device, ImageSpec, Int64Value, KeyValue, LinuxContainerConfig,
    LinuxContainerResources, LinuxContainerSecurityContext, Mount, NamespaceMode, NamespaceOption, SecurityProfile,
};

/// Who a container runs as that is not root.
const NOBODY: i64 = 65532;

/// What the kubelet has hidden of `/proc` and `/sys`, and what it has there for reading only.
const MASKED: [&str; 6] =
    ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware"];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// A container to be: as strict as Kubernetes' level `restricted` asks for, until a case says otherwise.
pub struct Container(ContainerConfig);

impl Container {
    /// An ordinary Linux program.
    pub fn of_program(image: &str, command: &[&str]) -> Self {
        Self(ContainerConfig {
            image: Some(ImageSpec { image: image.to_owned(), ..Default::default() }),
            command: owned(command),
            linux: Some(LinuxContainerConfig { security_context: Some(restricted()), ..Default::default() }),
            ..Default::default()
        })
    }

    /// A script for busybox's shell, in an image with busybox.
    pub fn of_script(image: &str, script: &str) -> Self {
        Self::of_program(image, &["/busybox", "sh", "-c", script])
    }

    /// An application that listens on `port`.
    pub fn of_component(image: &str, port: u16) -> Self {
        Self::of_program(image, &["/"]).with_environment("SPIN_HTTP_LISTEN_ADDR", &format!("0.0.0.0:{port}"))
    }

    /// With the environment variable `name`.
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.0.envs.push(KeyValue { key: name.to_owned(), value: value.to_owned() });
        self
    }

    /// As root, with containerd's default capabilities and these.
    pub fn by_root(mut self, more_capabilities: &[&str]) -> Self {
        let context = self.context();
        context.run_as_user = Some(Int64Value { value: 0 });
        context.capabilities = Some(Capability { add_capabilities: owned(more_capabilities), ..Default::default() });
        self
    }

    /// With a root that can be written to.
    pub fn with_writable_root(mut self) -> Self {
        self.context().readonly_rootfs = false;
        self
    }

    /// With that many percent of a processor.
    pub fn with_processor(self, percent: i64) -> Self {
        let (cpu_period, cpu_quota) = (100_000, percent * 1000);
        self.with_limits(LinuxContainerResources { cpu_period, cpu_quota, ..Default::default() })
    }

    /// With a device of the node, at `path`, for reading.
    pub fn with_device(mut self, host_path: String, path: &str) -> Self {
        self.0.devices.push(Device { container_path: path.to_owned(), host_path, permissions: "r".to_owned() });
        self
    }

    /// With what is at `host_path` of the node at `path`, for reading.
    pub fn with_mount(mut self, host_path: &str, path: &str) -> Self {
        self.0.mounts.push(Mount {
            container_path: path.to_owned(),
            host_path: host_path.to_owned(),
            readonly: true,
            ..Default::default()
        });
        self
    }

    /// With these limits.
    pub fn with_limits(mut self, limits: LinuxContainerResources) -> Self {
        self.0.linux.get_or_insert_default().resources = Some(limits);
        self
    }

    /// In the namespace of processes that the pod's containers share (`shareProcessNamespace`).
    pub fn among_the_pods_processes(mut self) -> Self {
        self.context().namespace_options.get_or_insert_default().pid = NamespaceMode::Pod.into();
        self
    }

    /// For containerd.
    pub fn into_config(self) -> ContainerConfig {
        self.0
    }

    fn context(&mut self) -> &mut LinuxContainerSecurityContext {
        self.0.linux.get_or_insert_default().security_context.get_or_insert_default()
    }
}

fn restricted() -> LinuxContainerSecurityContext {
    LinuxContainerSecurityContext {
        run_as_user: Some(Int64Value { value: NOBODY }),
        capabilities: Some(Capability { drop_capabilities: owned(&["ALL"]), ..Default::default() }),
        // The default profile is the one that containerd brings along.
        seccomp: Some(SecurityProfile::default()),
        apparmor: Some(SecurityProfile::default()),
        readonly_rootfs: true,
        no_new_privs: true,
        masked_paths: owned(&MASKED),
        readonly_paths: owned(&READ_ONLY),
        namespace_options: Some(namespaces()),
        ..Default::default()
    }
}

/// Whose namespaces a container is in: the machine's network, and no other container's processes.
pub fn namespaces() -> NamespaceOption {
    NamespaceOption { network: NamespaceMode::Node.into(), pid: NamespaceMode::Container.into(), ..Default::default() }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
