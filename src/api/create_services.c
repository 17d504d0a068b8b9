#include "api/create_services.h"

#include "app/services.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>

/* What is wrong is told of a member of one of many: say of which. */
static int refuse(size_t index, struct error *err)
{
    char field[sizeof(err->field)];
    snprintf(field, sizeof(field), "services[%zu].%.40s", index, err->field);
    snprintf(err->field, sizeof(err->field), "%s", field);
    return error_prefix(err, "services[%zu]", index);
}

static int add(json_t *services, json_t *body, size_t index, struct error *err)
{
    const char *name;
    json_t *definition;
    if (service_define(body, &name, &definition, err)) {
        return refuse(index, err);
    }
    if (json_object_get(services, name)) {
        json_decref(definition);
        return error_set_field(err, ERR_VALIDATION, "services", "services: '%.64s' comes twice",
                               name);
    }
    return json_object_set_new(services, name, definition)
               ? error_set(err, ERR_INTERNAL, ENOMEM, "define a service")
               : 0;
}

int create_services_parse(json_t *request, json_t **ret_services, struct error *err)
{
    json_t *list = json_object_get(request, "services");
    *ret_services = NULL;
    if (!list || json_is_null(list)) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > SANDBOX_SERVICES_MAX) {
        return error_set_field(err, ERR_VALIDATION, "services",
                               "services must be an array of at most %d objects",
                               SANDBOX_SERVICES_MAX);
    }
    json_t *services = json_object();
    size_t index;
    json_t *body;
    json_array_foreach(list, index, body)
    {
        if (add(services, body, index, err)) {
            json_decref(services);
            return -1;
        }
    }
    *ret_services = services;
    return 0;
}
