#include "app/internal.h"

#include "base/cleanup.h"

#include <curl/curl.h>
#include <string.h>

enum { PROBE_PATH_MAX = 2000, PROBE_COMMAND_MAX = 16 * 1024 };

static int refuse(struct error *err, const char *why)
{
    error_set_field(err, ERR_VALIDATION, "readiness_probe", "readiness_probe: %s", why);
    return error_hint(err,
                      "Use {\"type\":\"http\",\"port\":3000,\"path\":\"/\"}, {\"type\":\"tcp\","
                      "\"port\":3000} or {\"type\":\"exec\",\"command\":\"…\"}.");
}

static bool is_port(json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 1 &&
           json_integer_value(value) <= 65535;
}

static bool has_only(json_t *probe, const char *const *members)
{
    const char *key;
    json_t *value;
    json_object_foreach(probe, key, value)
    {
        size_t i = 0;
        while (members[i] && strcmp(members[i], key) != 0) {
            i++;
        }
        if (!members[i] && !json_is_null(value)) {
            return false;
        }
    }
    return true;
}

/* The path with its query, which must be something that can stand in a request line. */
static bool path_valid(const char *path)
{
    if (path[0] != '/' || strlen(path) > PROBE_PATH_MAX) {
        return false;
    }
    for (const char *at = path; *at; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || *at == '#') {
            return false;
        }
    }
    return true;
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(host, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) ==
                   CURLUE_OK
               ? text
               : NULL;
}

/* Port and path of "http://127.0.0.1:3000/health?full=1". */
static json_t *from_parts(const char *scheme, const char *host, const char *port, const char *path,
                          const char *query, struct error *err)
{
    if (!scheme || strcmp(scheme, "http") != 0 || !host || !port || !path || !is_loopback(host)) {
        refuse(err, "its url must be http://127.0.0.1:PORT/…, as seen inside the sandbox");
        return NULL;
    }
    char target[PROBE_PATH_MAX + 2];
    int length =
        snprintf(target, sizeof(target), "%s%s%s", path, query ? "?" : "", query ? query : "");
    if (length > PROBE_PATH_MAX || !path_valid(target)) {
        refuse(err, "its url's path is too long or has characters that must be escaped");
        return NULL;
    }
    return json_pack("{s:s, s:i, s:s}", "type", "http", "port", (int)strtol(port, NULL, 10), "path",
                     target);
}

static json_t *from_url(const char *text, struct error *err)
{
    CURLU *url = curl_url();
    if (!url || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK) {
        curl_url_cleanup(url);
        refuse(err, "its url is none");
        return NULL;
    }
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT,
                                      CURLUPART_PATH, CURLUPART_QUERY};
    char *found[5];
    for (size_t i = 0; i < 5; i++) {
        found[i] = part_of(url, parts[i]);
    }
    json_t *probe = from_parts(found[0], found[1], found[2], found[3], found[4], err);
    for (size_t i = 0; i < 5; i++) {
        curl_free(found[i]);
    }
    curl_url_cleanup(url);
    return probe;
}

static json_t *normalise_http(json_t *probe, struct error *err)
{
    static const char *const members[] = {"type", "url", "port", "path", NULL};
    json_t *url = json_object_get(probe, "url"), *port = json_object_get(probe, "port");
    const char *path = json_string_value(json_object_get(probe, "path"));
    if (json_is_string(url) && !port && !path && has_only(probe, members)) {
        return from_url(json_string_value(url), err);
    }
    if (!is_port(port) || (path && !path_valid(path)) || (url && !json_is_null(url)) ||
        !has_only(probe, members)) {
        refuse(err, "an http probe has either a url, or a port from 1 to 65535 and a path");
        return NULL;
    }
    return json_pack("{s:s, s:O, s:s}", "type", "http", "port", port, "path", path ? path : "/");
}

json_t *probe_normalise(json_t *probe, struct error *err)
{
    static const char *const tcp_members[] = {"type", "port", NULL};
    static const char *const exec_members[] = {"type", "command", NULL};
    const char *type = json_string_value(json_object_get(probe, "type"));
    if (type && strcmp(type, "http") == 0) {
        return normalise_http(probe, err);
    }
    json_t *port = json_object_get(probe, "port"), *command = json_object_get(probe, "command");
    if (type && strcmp(type, "tcp") == 0 && is_port(port) && has_only(probe, tcp_members)) {
        return json_pack("{s:s, s:O}", "type", "tcp", "port", port);
    }
    if (type && strcmp(type, "exec") == 0 && json_string_length(command) > 0 &&
        json_string_length(command) <= PROBE_COMMAND_MAX && has_only(probe, exec_members)) {
        return json_pack("{s:s, s:O}", "type", "exec", "command", command);
    }
    refuse(err, type ? "its members do not fit its type" : "its type must be http, tcp or exec");
    return NULL;
}
