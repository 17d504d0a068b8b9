#include "api/signal_name.h"

#include "api/body_fields.h"

#include <signal.h>
#include <string.h>

int signal_parse(json_t *body, int *ret_signal, struct error *err)
{
    json_t *value = body_member(body, "signal");
    if (!value) {
        return error_set_field(err, ERR_MISSING_PARAM, "signal", "signal is missing");
    }
    json_int_t number = json_integer_value(value);
    const char *name = json_string_value(value);
    if (name && strncmp(name, "SIG", 3) == 0) {
        name += 3;
    }
    for (int i = 1; name && i < NSIG && number == 0; i++) {
        const char *known = sigabbrev_np(i);
        number = known && strcmp(known, name) == 0 ? i : 0;
    }
    if (number < 1 || number >= NSIG) {
        return error_set_field(err, ERR_VALIDATION, "signal",
                               "signal must be a name such as SIGINT or a number from 1 to %d",
                               NSIG - 1);
    }
    *ret_signal = (int)number;
    return 0;
}
