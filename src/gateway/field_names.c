/* What the names of header fields mean to a proxy. */
#include "gateway/head.h"

#include <string.h>
#include <strings.h>

#define NAME(text) text, sizeof(text) - 1

static const struct {
    const char *name;
    size_t length;
    enum field_role role;
} roles[] = {
    {NAME("connection"), FIELD_CONNECTION},
    {NAME("keep-alive"), FIELD_KEEP_ALIVE},
    {NAME("upgrade"), FIELD_UPGRADE},
    {NAME("content-length"), FIELD_LENGTH},
    {NAME("transfer-encoding"), FIELD_ENCODING},
    {NAME("host"), FIELD_HOST},
    {NAME("expect"), FIELD_EXPECT},
    {NAME("accept"), FIELD_ACCEPT},
    {NAME("cookie"), FIELD_COOKIE},
    {NAME("set-cookie"), FIELD_SET_COOKIE},
    {NAME("forwarded"), FIELD_FORWARDED},
    {NAME("x-real-ip"), FIELD_FORWARDED},
    {NAME("x-miosa-preview-token"), FIELD_TOKEN},
    {NAME("te"), FIELD_HOP},
    {NAME("trailer"), FIELD_HOP},
    {NAME("http2-settings"), FIELD_HOP},
    {NAME("proxy"), FIELD_HOP}, /* HTTP_PROXY of CGI programs */
};

static bool starts_with(struct text name, const char *prefix)
{
    size_t length = strlen(prefix);
    return name.length >= length && text_is((struct text){name.data, length}, prefix);
}

static enum field_role role_of(struct text name)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (name.length == roles[i].length &&
            strncasecmp(name.data, roles[i].name, name.length) == 0) {
            return roles[i].role;
        }
    }
    if (starts_with(name, "x-forwarded-")) {
        return FIELD_FORWARDED;
    }
    return starts_with(name, "proxy-") ? FIELD_HOP : FIELD_PLAIN;
}

enum field_role field_role(struct text name)
{
    char text[32];
    if (!memchr(name.data, '_', name.length)) {
        return role_of(name);
    }
    size_t length = name.length < sizeof(text) ? name.length : sizeof(text);
    for (size_t i = 0; i < length; i++) {
        text[i] = name.data[i] == '_' ? '-' : name.data[i];
    }
    /* "Content_Length" is nobody's but an attacker's. */
    return role_of((struct text){text, length}) == FIELD_PLAIN ? FIELD_PLAIN : FIELD_HOP;
}
