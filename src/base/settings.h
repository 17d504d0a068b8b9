/* Settings of one atoll instance, shared by atolld and atoll-host: defaults, then the configuration
 * file, then ATOLL_* variables, then flags. */
#ifndef ATOLL_BASE_SETTINGS_H
#define ATOLL_BASE_SETTINGS_H

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>

/* Text settings: member, file key and flag (--key), variable, default, help. */
#define SETTINGS_TEXT(X)                                                                           \
    X(state, "state", "ATOLL_STATE", "/var/lib/atoll", "state directory")                          \
    X(listen, "listen", "ATOLL_LISTEN", "127.0.0.1:8080", "address:port of the HTTP API")          \
    X(gateway, "gateway", "ATOLL_GATEWAY", "127.0.0.1:8081", "address:port of the preview gateway") \
    X(domain, "domain", "ATOLL_DOMAIN", "localhost", "domain of preview URLs")                     \
    X(log, "log", "ATOLL_LOG", "info", "log level: debug, info, warn, error; ':json' or ':text' may follow") \
    X(user, "user", "ATOLL_USER", "atoll", "unprivileged user that atolld runs as")                \
    X(images, "images", "ATOLL_IMAGES", "", "directory of template images; default STATE/images")  \
    X(catalogue, "catalogue", "ATOLL_CATALOGUE", "", "directory of template definitions (JSON)")   \
    X(engine, "engine", "ATOLL_ENGINE", "auto",                                                    \
      "engine when a request or template names none: auto (vm with KVM, else container), container, vm") \
    X(vm_accel, "vm_accel", "ATOLL_VM_ACCEL", "auto",                                              \
      "how virtual machines run: auto (KVM when a guest boots with it in time), kvm, tcg (emulation)") \
    X(seeds, "seeds", "ATOLL_SEEDS", "",                                                           \
      "directory of booted machines that new ones start from; default STATE/vm/seeds")             \
    X(agent, "agent", "ATOLL_AGENT", "", "atoll-agent binary; default beside atoll-host")          \
    X(gateway_tls, "gateway_tls", "ATOLL_GATEWAY_TLS", "",                                         \
      "address:port where the gateway serves TLS as well; needs gateway_cert")                     \
    X(gateway_cert, "gateway_cert", "ATOLL_GATEWAY_CERT", "",                                      \
      "PEM file with certificate chain and private key of *.sandbox.DOMAIN and deployments")       \
    X(preview_scheme, "preview_scheme", "ATOLL_PREVIEW_SCHEME", "",                                \
      "http or https in preview URLs; default https when gateway_tls is set")                      \
    X(dns_server, "dns_server", "ATOLL_DNS_SERVER", "",                                            \
      "address[:port] asked for records that verify domains; default the host's")                  \
    X(webhook_targets, "webhook_targets", "ATOLL_WEBHOOK_TARGETS", "public",                       \
      "where webhooks may go: 'public' addresses only, or 'any'")                                  \
    X(cors_origins, "cors_origins", "ATOLL_CORS_ORIGINS", "",                                      \
      "comma-separated origins whose pages may use the API from a browser, or '*'; default none")  \
    X(allow_private, "allow_private", "ATOLL_ALLOW_PRIVATE", "",                                   \
      "comma-separated private IPv4 ranges that sandboxes may reach, such as a package mirror's")

/* Whole-number settings: member, key, variable, default, minimum, maximum, help. */
#define SETTINGS_INT(X)                                                                            \
    X(max_sandboxes, "max_sandboxes", "ATOLL_MAX_SANDBOXES", 10, 1, 2000,                          \
      "sandboxes that a tenant may have alive (running or paused) at once")                        \
    X(rate_limit, "rate_limit", "ATOLL_RATE_LIMIT", 300, 0, 1000000000,                            \
      "requests a minute per workspace, 0 = unlimited")                                            \
    X(spare_slots, "spare_slots", "ATOLL_SPARE_SLOTS", 8, 0, 256,                                  \
      "prepared namespaces and cgroups kept ready for create")                                     \
    X(warm_sandboxes, "warm_sandboxes", "ATOLL_WARM_SANDBOXES", 2, 0, 64,                          \
      "running sandboxes of the default template and size kept ready for create") \
    X(vm_hang_sec, "vm_hang_sec", "ATOLL_VM_HANG_SEC", 180, 0, 86400,                              \
      "seconds without a sign of life after which a virtual machine is ended, 0 = never")          \
    X(warm_memory_mb, "warm_memory_mb", "ATOLL_WARM_MEMORY_MB", 512, 0, 1048576,                   \
      "memory of the host that an engine's sandboxes that are kept ready may take, MiB")           \
    X(default_cpu, "default_cpu", "ATOLL_DEFAULT_CPU", 1, 1, 64, "vCPUs when a request names none") \
    X(default_memory_mb, "default_memory_mb", "ATOLL_DEFAULT_MEMORY_MB", 1024, 128, 1048576,       \
      "memory when a request names none, MiB")                                                     \
    X(default_disk_mb, "default_disk_mb", "ATOLL_DEFAULT_DISK_MB", 3072, 256, 1048576,             \
      "disk when a request names none, MiB")                                                       \
    X(max_cpu, "max_cpu", "ATOLL_MAX_CPU", 16, 1, 1024, "largest cpu_count of a request")          \
    X(max_memory_mb, "max_memory_mb", "ATOLL_MAX_MEMORY_MB", 32768, 128, 4194304,                  \
      "largest memory_mb of a request")                                                            \
    X(max_disk_mb, "max_disk_mb", "ATOLL_MAX_DISK_MB", 204800, 256, 16777216,                      \
      "largest disk_mb of a request")                                                              \
    X(process_limit, "process_limit", "ATOLL_PROCESS_LIMIT", 1024, 32, 65536,                      \
      "processes and threads in a sandbox when a request names none")                              \
    X(default_timeout_sec, "default_timeout_sec", "ATOLL_DEFAULT_TIMEOUT_SEC", 300, 1, 86400,      \
      "timeout_sec when a request names none")                                                     \
    X(upload_max_mb, "upload_max_mb", "ATOLL_UPLOAD_MAX_MB", 100, 1, 102400,                       \
      "largest file of one write, MiB")                                                            \
    X(body_max_kb, "body_max_kb", "ATOLL_BODY_MAX_KB", 1024, 64, 65536,                            \
      "largest JSON body that carries no file, KiB")                                               \
    X(connections, "connections", "ATOLL_CONNECTIONS", 4096, 16, 65536,                            \
      "open HTTP connections; one client address may hold half of them")                           \
    X(client_timeout_sec, "client_timeout_sec", "ATOLL_CLIENT_TIMEOUT_SEC", 30, 1, 3600,           \
      "seconds that a client may take to send a request's head or to move its body on")            \
    X(max_snapshots, "max_snapshots", "ATOLL_MAX_SNAPSHOTS", 100, 0, 1000000,                      \
      "snapshots of a tenant")                                                                     \
    X(max_named_snapshots, "max_named_snapshots", "ATOLL_MAX_NAMED_SNAPSHOTS", 10, 0, 1000000,     \
      "named snapshots of a tenant")                                                               \
    X(snapshot_view_sec, "snapshot_view_sec", "ATOLL_SNAPSHOT_VIEW_SEC", 300, 1, 86400,            \
      "seconds that a snapshot whose files were looked at stays ready for the next look")          \
    X(max_jobs, "max_jobs", "ATOLL_MAX_JOBS", 100, 1, 1000,                                       \
      "detached commands and services of a sandbox at once")                                       \
    X(max_terminals, "max_terminals", "ATOLL_MAX_TERMINALS", 256, 1, 256,                         \
      "terminals of a sandbox at once")                                                            \
    X(terminal_detach_sec, "terminal_detach_sec", "ATOLL_TERMINAL_DETACH_SEC", 60, 1, 86400,       \
      "seconds that a terminal lives without anybody attached")                                    \
    X(preview_port, "preview_port", "ATOLL_PREVIEW_PORT", 0, 0, 65535,                             \
      "port in preview URLs when a proxy stands before the gateway; 0 = the gateway's")            \
    X(gateway_threads, "gateway_threads", "ATOLL_GATEWAY_THREADS", 0, 0, 64,                       \
      "threads of the gateway; 0 = one per CPU, at most 4")                                        \
    X(gateway_connections, "gateway_connections", "ATOLL_GATEWAY_CONNECTIONS", 16384, 16, 1048576, \
      "open client connections of the gateway; one address may hold 3 of 4 of them")               \
    X(gateway_timeout_sec, "gateway_timeout_sec", "ATOLL_GATEWAY_TIMEOUT_SEC", 300, 1, 86400,      \
      "seconds that a server in a sandbox may take to begin its answer")                           \
    X(disk_reserve_mb, "disk_reserve_mb", "ATOLL_DISK_RESERVE_MB", 1024, 0, 1048576,               \
      "free space of the state's file system below which create is refused")

struct settings {
#define X(member, key, variable, fallback, help) char member[256];
    SETTINGS_TEXT(X)
#undef X
#define X(member, key, variable, fallback, min, max, help) int64_t member;
    SETTINGS_INT(X)
#undef X
};

/* Fills *ret_settings. Flags are --key=value or --key value (also with - for _); --config FILE names
 * the file (default /etc/atoll/atoll.conf, which may be missing). Unknown keys and flags, and values
 * outside their range, are errors that name the setting. The arguments that are not flags are
 * counted by *ret_rest, an index into argv. */
int settings_load(int argc, char **argv, struct settings *ret_settings, int *ret_rest,
                  struct error *err);

/* Prints every setting with its variable, default and meaning, for --help. */
void settings_print_help(FILE *out);

/* Prints the values in force as shell assignments, one a line: ATOLL_STATE='/var/lib/atoll'. */
void settings_print_values(const struct settings *settings, FILE *out);

/* The instance's files. Each writes the path into text[size] and returns text. */
char *settings_path(const struct settings *settings, const char *relative, char *text, size_t size);

#endif
