# init NAME FOLDER KEEP…: the first process of a machine. KEEP are folders under /var that it has to go on seeing.
set -euo pipefail
name=$1 folder=$2
shift 2
# Wait here. If the process that started us is killed before it has stored our id, this read ends us.
read -r

hostname "$name"
# A private /run and /var, so that everything is at its usual place and nothing of it outside. /run first: `mount` itself
# keeps notes there.
mount -t tmpfs -o mode=755 tmpfs /run
mount -t proc proc /proc
mkdir -p "$folder"/var/{lib/{kubelet,containerd,cni},log/{pods,containers},tmp}
ln -sfn /run "$folder/var/run"
for keep; do
  mkdir -p "$folder$keep"
  mount --bind "$keep" "$folder$keep"
done
mount --rbind "$folder/var" /var
mount --make-rshared /

echo ready
exec </dev/null >/dev/null
# The shell reaps whatever is left to it: what containerd started and lost in a restart.
sleep infinity &
wait
