"""Fields with the values that an engine gives them when nobody sets them; recorded from engine 20.10.24."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

Json = dict[str, Any]

_HOST_CONFIG: Json = {
    "Binds": None,
    "ContainerIDFile": "",
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "default",
    "PortBindings": {},
    "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
    "AutoRemove": False,
    "VolumeDriver": "",
    "VolumesFrom": None,
    "CapAdd": None,
    "CapDrop": None,
    "CgroupnsMode": "private",
    "Dns": None,
    "DnsOptions": None,
    "DnsSearch": None,
    "ExtraHosts": None,
    "GroupAdd": None,
    "IpcMode": "private",
    "Cgroup": "",
    "Links": None,
    "OomScoreAdj": 0,
    "PidMode": "",
    "Privileged": False,
    "PublishAllPorts": False,
    "ReadonlyRootfs": False,
    "SecurityOpt": None,
    "UTSMode": "",
    "UsernsMode": "",
    "ShmSize": 67108864,
    "Runtime": "runc",
    "ConsoleSize": [0, 0],
    "Isolation": "",
    "CpuShares": 0,
    "Memory": 0,
    "NanoCpus": 0,
    "CgroupParent": "",
    "BlkioWeight": 0,
    "BlkioWeightDevice": None,
    "BlkioDeviceReadBps": None,
    "BlkioDeviceWriteBps": None,
    "BlkioDeviceReadIOps": None,
    "BlkioDeviceWriteIOps": None,
    "CpuPeriod": 0,
    "CpuQuota": 0,
    "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0,
    "CpusetCpus": "",
    "CpusetMems": "",
    "Devices": None,
    "DeviceCgroupRules": None,
    "DeviceRequests": None,
    "KernelMemory": 0,
    "KernelMemoryTCP": 0,
    "MemoryReservation": 0,
    "MemorySwap": 0,
    "MemorySwappiness": None,
    "OomKillDisable": False,
    "PidsLimit": None,
    "Ulimits": None,
    "CpuCount": 0,
    "CpuPercent": 0,
    "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
    "MaskedPaths": [
        f"/proc/{name}"
        for name in (
            "asound", "acpi", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi",
        )
    ]
    + ["/sys/firmware"],
    "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
}  # fmt: skip

_CONFIG: Json = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}

_ENDPOINT: Json = {
    "IPAMConfig": None,
    "Links": None,
    "Aliases": None,
    "MacAddress": "",
    "DriverOpts": None,
    "NetworkID": "",
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "DNSNames": None,
}

OPTIONAL_CONFIG = (
    "ExposedPorts", "Healthcheck", "StopSignal", "StopTimeout", "Shell", "NetworkDisabled", "MacAddress", "ArgsEscaped",
)  # fmt: skip


def host_config(given: Json | None = None) -> Json:
    """A HostConfig with every field; what the engine does not know is dropped."""
    full = deepcopy(_HOST_CONFIG)
    for key, value in (given or {}).items():
        if (key in full and (value is not None or full[key] is None)) or (
            key in ("Mounts", "Init", "Tmpfs", "Sysctls", "Annotations", "StorageOpt") and value
        ):
            full[key] = deepcopy(value)
    full["LogConfig"]["Type"] = full["LogConfig"].get("Type") or "json-file"
    full["LogConfig"]["Config"] = full["LogConfig"].get("Config") or {}
    full["RestartPolicy"] = {"Name": "", "MaximumRetryCount": 0, **full["RestartPolicy"]}
    if full["Memory"] and not full["MemorySwap"]:
        full["MemorySwap"] = 2 * full["Memory"]
    return full


def config(given: Json | None = None) -> Json:
    """A container's or an image's Config with every field."""
    full = deepcopy(_CONFIG)
    for key, value in (given or {}).items():
        if key in full or (key in OPTIONAL_CONFIG and value):
            full[key] = deepcopy(value)
    return full


def endpoint(given: Json | None = None) -> Json:
    """The settings of a container in one network."""
    full = deepcopy(_ENDPOINT)
    full.update({key: deepcopy(value) for key, value in (given or {}).items() if key in full})
    return full
