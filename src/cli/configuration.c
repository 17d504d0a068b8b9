#include "base/cleanup.h"
#include "base/io.h"
#include "cli/client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static const char default_env_file[] = "/var/lib/atoll/client.env";

enum { ENV_FILE_MAX = 64 * 1024 };

/* "export NAME=value" or "NAME='value'": copies the value when the line is about name. */
static void read_assignment(char *line, const char *name, char *value, size_t size)
{
    line += strspn(line, " \t");
    if (strncmp(line, "export ", 7) == 0) {
        line += 7 + strspn(line + 7, " \t");
    }
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0 || line[length] != '=') {
        return;
    }
    char *start = line + length + 1;
    char *end = start + strcspn(start, "\r");
    if ((*start == '"' || *start == '\'') && end - start >= 2 && end[-1] == *start) {
        start++;
        end--;
    }
    *end = 0;
    if (strlen(start) < size) {
        memcpy(value, start, strlen(start) + 1);
    }
}

static int read_env_file(const char *path, struct client *found)
{
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, path, ENV_FILE_MAX, &text) < 0) {
        return -1;
    }
    char *rest = text;
    char *line;
    while ((line = strsep(&rest, "\n"))) {
        read_assignment(line, "ATOLL_URL", found->url, sizeof found->url);
        read_assignment(line, "ATOLL_API_KEY", found->key, sizeof found->key);
    }
    return 0;
}

static int take(char *to, size_t size, const char *from, const char *name, struct error *err)
{
    if (strlen(from) >= size) {
        return error_set(err, ERR_VALIDATION, 0, "%s is longer than %zu characters", name,
                         size - 1);
    }
    memcpy(to, from, strlen(from) + 1);
    return 0;
}

static int refuse(const char *path, int file_errno, struct error *err)
{
    if (file_errno == EACCES) {
        error_set(err, ERR_INVALID_TOKEN, 0, "no API key: %s is readable for its owner only", path);
        return error_hint(err, "run with sudo, or export ATOLL_URL and ATOLL_API_KEY");
    }
    error_set(err, ERR_INVALID_TOKEN, 0, "no API key: ATOLL_API_KEY is not set and %s has none",
              path);
    return error_hint(err, "start a server with 'sudo scripts/up', or export ATOLL_URL and "
                           "ATOLL_API_KEY of one");
}

int client_configure(struct client *client, struct error *err)
{
    const char *url = getenv("ATOLL_URL");
    const char *key = getenv("ATOLL_API_KEY");
    const char *path = getenv("ATOLL_CLIENT_ENV");
    struct client found = {0};
    path = path && *path ? path : default_env_file;
    int file_errno = 0;
    if ((!url || !*url || !key || !*key) && read_env_file(path, &found)) {
        file_errno = errno;
    }
    /* The file's key belongs to the file's server: never send it to another one. */
    if (url && *url && strcmp(url, found.url) != 0) {
        found.key[0] = 0;
    }
    url = url && *url ? url : found.url;
    key = key && *key ? key : found.key;
    if (take(client->url, sizeof client->url, *url ? url : "http://127.0.0.1:8080", "ATOLL_URL",
             err) ||
        take(client->key, sizeof client->key, key, "ATOLL_API_KEY", err)) {
        return -1;
    }
    size_t length = strlen(client->url);
    while (length && client->url[length - 1] == '/') {
        client->url[--length] = 0;
    }
    return *client->key ? 0 : refuse(path, file_errno, err);
}
