#include "daemon/admin.h"

#include "daemon/instance.h"
#include "store/store.h"

#include <string.h>

struct options {
    const char *tenant, *name, *scopes;
};

void admin_print_help(FILE *out)
{
    fprintf(
        out,
        "  atolld [FLAGS] admin create-tenant NAME       prints the tenant's id\n"
        "  atolld [FLAGS] admin create-key --tenant NAME --name NAME [--scopes LIST]\n"
        "                                                prints the key, once; makes the tenant\n"
        "                                                if need be. LIST: comma-separated,\n"
        "                                                default \"all\", which is all but\n"
        "                                                operator, of\n"
        "    %s\n",
        scope_name_list);
}

static int parse_scopes(const char *list, unsigned *ret_bits, struct error *err)
{
    unsigned bits = 0;
    do {
        size_t length = strcspn(list, ",");
        bool all = length == 3 && strncmp(list, "all", length) == 0;
        unsigned scope = all ? SCOPE_ALL : scope_find(list, length);
        if (!scope) {
            return error_set_field(err, ERR_VALIDATION, "scopes", "there is no scope '%.*s'",
                                   (int)length, list);
        }
        bits |= scope;
        list += length + (list[length] == ',');
    } while (*list);
    *ret_bits = bits;
    return 0;
}

static int parse_options(char **arguments, struct options *options, struct error *err)
{
    for (; arguments[0]; arguments += 2) {
        const char **target = strcmp(arguments[0], "--tenant") == 0   ? &options->tenant
                              : strcmp(arguments[0], "--name") == 0   ? &options->name
                              : strcmp(arguments[0], "--scopes") == 0 ? &options->scopes
                                                                      : NULL;
        if (!target || !arguments[1]) {
            return error_set(err, ERR_VALIDATION, 0,
                             target ? "'%s' needs a value" : "unknown argument '%s'", arguments[0]);
        }
        *target = arguments[1];
    }
    return 0;
}

static int create_key(struct store *store, char **arguments, struct error *err)
{
    struct options options = {0};
    unsigned bits = SCOPE_ALL;
    if (parse_options(arguments, &options, err) < 0 ||
        (options.scopes && parse_scopes(options.scopes, &bits, err) < 0)) {
        return -1;
    }
    if (!options.tenant || !options.name || !options.name[0]) {
        return error_set(err, ERR_VALIDATION, 0, "create-key needs --tenant NAME and --name NAME");
    }
    struct principal owner;
    struct api_key key;
    char text[KEY_TEXT_SIZE];
    if (store_tenant_ensure(store, options.tenant, &owner, err) < 0 ||
        store_key_create(store, &owner, options.name, bits, 0, &key, text, err) < 0) {
        return -1;
    }
    printf("%s\n", text);
    return 0;
}

static int create_tenant(struct store *store, char **arguments, struct error *err)
{
    if (!arguments[0] || arguments[1]) {
        return error_set(err, ERR_VALIDATION, 0, "create-tenant needs one NAME");
    }
    struct principal owner;
    if (store_tenant_ensure(store, arguments[0], &owner, err) < 0) {
        return -1;
    }
    printf("%s\n", owner.tenant_id);
    return 0;
}

int admin_run(const struct settings *settings, char **arguments, struct error *err)
{
    const char *verb = arguments[0] ? arguments[0] : "";
    bool key = strcmp(verb, "create-key") == 0;
    if (!key && strcmp(verb, "create-tenant") != 0) {
        error_set(err, ERR_VALIDATION, 0, "unknown admin command '%s'", verb);
        return error_hint(err, "atolld --help lists them.");
    }
    /* As the daemon's user, so that the database's files are the daemon's. */
    if (instance_prepare(settings, err) < 0 || instance_drop_privileges(settings, err) < 0) {
        return -1;
    }
    char path[INSTANCE_PATH_SIZE];
    struct store *store = store_open(instance_database(settings, path), err);
    if (!store) {
        return -1;
    }
    int result =
        key ? create_key(store, arguments + 1, err) : create_tenant(store, arguments + 1, err);
    store_close(store);
    return result == 0 && fflush(stdout) == 0 ? 0 : -1;
}
