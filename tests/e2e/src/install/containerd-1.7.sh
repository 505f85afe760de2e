# containerd-1.7.sh ROOT CONTAINERD ARCHIVE IMAGE BUSYBOX: the shim that was installed under ROOT, on a containerd that runs in namespaces
# of its own and ends with them. Whoever starts this sets the limit for all of its loops.
set -euo pipefail
root=$1 containerd=$2 archive=$3 image=$4 busybox=$5
mount -t tmpfs tmpfs /run
# Compiled code.
mount -t tmpfs tmpfs /var/cache
"$busybox" ip link set lo up

"$containerd" --config "$root/etc/containerd/config.toml" --root "$root/lib" --state /run/containerd \
  --address /run/containerd/containerd.sock >&2 &
until timeout 1 ctr version >/dev/null 2>&1; do sleep 0.1; done
# What the kubelet speaks with; it does not load where it does not like its handlers.
ctr plugins list | grep -E '^io\.containerd\.grpc\.v1 +cri .* ok' >&2 || { ctr plugins list | grep cri; exit 1; }

ctr images import --local "$archive" >&2
# A cgroup outlives these namespaces: under that of the cluster, which its end removes.
ctr run --detach --net-host --runtime io.containerd.wasmtime-spin.v1 --cgroup /httpserver-cluster/containerd-1.7 \
  --env SPIN_HTTP_LISTEN_ADDR=127.0.0.1:8080 "$image" app
until "$busybox" wget -q -O - http://127.0.0.1:8080/healthz 2>/dev/null; do sleep 0.1; done
ctr tasks kill --signal SIGTERM app
until ctr tasks list | grep -q '^app .*STOPPED'; do sleep 0.1; done
ctr tasks delete app >&2
