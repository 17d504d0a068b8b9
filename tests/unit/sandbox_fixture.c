#include "sandbox_fixture.h"

#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { AWAIT_MS = 20 * 1000 };

static void make_file(const struct fixture *fixture, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", fixture->directory, name);
    FILE *file = fopen(path, "we");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

static void make_directory(const struct fixture *fixture, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", fixture->directory, name);
    mkdir(path, 0700);
}

static struct catalogue *open_catalogue(struct fixture *fixture)
{
    make_directory(fixture, "templates");
    make_directory(fixture, "images");
    make_directory(fixture, "images/miosa-sandbox");
    make_directory(fixture, "images/miosa-sandbox/rootfs");
    make_file(fixture, "templates/a.json",
              "{\"id\":\"miosa-sandbox\",\"env\":{\"A\":\"template\",\"B\":\"template\"},"
              "\"aliases\":[\"base\"]}");
    make_file(fixture, "templates/b.json",
              "{\"id\":\"nextjs\",\"image_id\":\"miosa-sandbox\",\"cpu_count\":2,"
              "\"memory_mb\":2048,\"disk_mb\":4096,\"workdir\":\"/app\"}");
    make_file(fixture, "templates/c.json", "{\"id\":\"unbuilt\"}");
    make_file(fixture, "templates/d.json",
              "{\"id\":\"in-a-container\",\"image_id\":\"miosa-sandbox\","
              "\"engine\":\"container\"}");
    char templates[80], images[80];
    snprintf(templates, sizeof(templates), "%s/templates", fixture->directory);
    snprintf(images, sizeof(images), "%s/images", fixture->directory);
    return catalogue_load(templates, images, &fixture->err);
}

bool fixture_start(struct fixture *fixture)
{
    char path[80];
    snprintf(path, sizeof(path), "%s/atoll.db", fixture->directory);
    fixture->store = store_open(path, &fixture->err);
    fixture->sandboxes = fixture->store
                             ? sandboxes_open(&fixture->settings, fixture->store, NULL,
                                              fixture->host, fixture->catalogue, &fixture->err)
                             : NULL;
    return fixture->sandboxes != NULL;
}

void fixture_stop(struct fixture *fixture)
{
    fixture->sandboxes = sandboxes_close(fixture->sandboxes);
    fixture->store = store_close(fixture->store);
}

bool fixture_restart(struct fixture *fixture)
{
    fixture_stop(fixture);
    return fixture_start(fixture);
}

bool fixture_open(struct fixture *fixture)
{
    static char program[] = "test", state[] = "--state=/nonexistent";
    char *arguments[] = {program, state, NULL};
    int rest;
    *fixture = (struct fixture){0};
    log_init("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    fake_host_reset();
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/atoll-unit-XXXXXX");
    unsetenv("ATOLL_CONFIG");
    if (settings_load(2, arguments, &fixture->settings, &rest, &fixture->err) < 0 ||
        !mkdtemp(fixture->directory)) {
        return false;
    }
    fixture->host = hostclient_new("");
    fixture->catalogue = open_catalogue(fixture);
    return fixture->catalogue && fixture_start(fixture) &&
           store_tenant_ensure(fixture->store, "one", &fixture->tenant, &fixture->err) == 0 &&
           store_tenant_ensure(fixture->store, "two", &fixture->other_tenant, &fixture->err) == 0;
}

static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        char child[512];
        snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlink(child) < 0) {
            remove_tree(child);
        }
    }
    if (directory) {
        closedir(directory);
    }
    rmdir(path);
}

void fixture_close(struct fixture *fixture)
{
    fixture_stop(fixture);
    fixture->catalogue = catalogue_free(fixture->catalogue);
    remove_tree(fixture->directory);
}

static bool claim(struct fixture *fixture, const char *key)
{
    enum idempotency_state state;
    int status;
    char *body = NULL;
    int result =
        store_idempotency_begin(fixture->store, fixture->tenant.tenant_id, "POST /sandboxes ", key,
                                "hash", &state, &status, &body, &fixture->err);
    free(body);
    return result == 0 && state == IDEMPOTENCY_NEW;
}

json_t *fixture_create(struct fixture *fixture, const char *request, const char *key)
{
    fixture->err = (struct error){0};
    json_t *parsed = json_loads(request, 0, NULL);
    struct sandbox_spec spec;
    json_t *object = NULL;
    if (parsed && (!key || claim(fixture, key)) &&
        sandbox_spec_parse(&fixture->settings, fixture->catalogue, parsed, &spec, &fixture->err) ==
            0) {
        spec.idempotency_route = key ? "POST /sandboxes " : NULL;
        spec.idempotency_key = key;
        sandbox_create(fixture->sandboxes, &fixture->tenant, &spec, &object, &fixture->err);
    }
    json_decref(parsed);
    return object;
}

bool fixture_create_id(struct fixture *fixture, const char *request, char id[ID_SIZE])
{
    json_t *object = fixture_create(fixture, request, NULL);
    snprintf(id, ID_SIZE, "%s", member_text(object, "id"));
    json_decref(object);
    return id[0] != '\0';
}

const char *member_text(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

const char *fixture_state(struct fixture *fixture, const char *id)
{
    static char state[32];
    json_t *object = NULL;
    state[0] = '\0';
    if (sandbox_get(fixture->sandboxes, &fixture->tenant, id, &object, &fixture->err) == 0) {
        snprintf(state, sizeof(state), "%s", member_text(object, "state"));
        json_decref(object);
    }
    return state;
}

bool fixture_await(struct fixture *fixture, const char *id, const char *state)
{
    int64_t until_ms = clock_monotonic_ms() + AWAIT_MS;
    while (strcmp(fixture_state(fixture, id), state) != 0) {
        if (clock_monotonic_ms() > until_ms) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* polls a bounded time */
    }
    return true;
}

void fixture_metadata(struct fixture *fixture, const char *id, char *text, size_t size)
{
    json_t *object = NULL;
    text[0] = '\0';
    if (sandbox_get(fixture->sandboxes, &fixture->tenant, id, &object, &fixture->err) < 0) {
        return;
    }
    json_t *metadata = json_object_get(object, "metadata");
    const char *error = member_text(metadata, "last_error");
    snprintf(text, size, "%s",
             *error ? error : member_text(json_object_get(metadata, "last_pause"), "source"));
    json_decref(object);
}
