#include "api/ports.h"

#include "agentclient/watch.h"
#include "api/file_use.h"
#include "base/cleanup.h"

/* What listens in the sandbox. */
static int list_ports(struct request *request, struct listening_port **ret_ports, size_t *ret_count,
                      struct error *err)
{
    auto_file_use struct file_use use = {0};
    if (file_use_begin(&use, request, err)) {
        return -1;
    }
    return agent_ports(use.sandbox.agent_socket, ret_ports, ret_count, err)
               ? file_use_failed(&use, err)
               : 0;
}

static json_t *process_json(const struct listening_port *port)
{
    return port->pid > 0 ? json_pack("{s:s, s:I}", "name", port->name, "pid", (json_int_t)port->pid)
                         : json_null();
}

void api_ports_handle(struct request *request)
{
    struct error err = {0};
    auto_free struct listening_port *ports = NULL;
    size_t count = 0;
    if (list_ports(request, &ports, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(data, json_pack("{s:i, s:s, s:s, s:o}", "port", ports[i].port,
                                              "protocol", "tcp", "address", ports[i].address,
                                              "process", process_json(&ports[i])));
    }
    respond_json(request, 200, json_pack("{s:I, s:o}", "count", (json_int_t)count, "data", data));
}
