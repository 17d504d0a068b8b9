#include "linux/qmp.h"

#include <stdio.h>
#include <string.h>

int qmp_add_fd(struct qmp *qmp, int set, int fd, struct error *err)
{
    return qmp_execute(qmp, "add-fd", json_pack("{s:i}", "fdset-id", set), fd, NULL, err);
}

int qmp_remove_fds(struct qmp *qmp, int set, struct error *err)
{
    return qmp_execute(qmp, "remove-fd", json_pack("{s:i}", "fdset-id", set), -1, NULL, err);
}

int qmp_run_state(struct qmp *qmp, char state[32], struct error *err)
{
    json_t *result = NULL;
    if (qmp_execute(qmp, "query-status", NULL, -1, &result, err) < 0) {
        return -1;
    }
    const char *text = json_string_value(json_object_get(result, "status"));
    snprintf(state, 32, "%s", text ? text : "");
    json_decref(result);
    return text ? 0 : error_set(err, ERR_ENGINE, 0, "QEMU does not tell its state");
}
