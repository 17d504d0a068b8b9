/* Words, lists and host names in heads. */
#include "gateway/head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool text_is(struct text text, const char *word)
{
    return strlen(word) == text.length && strncasecmp(text.data, word, text.length) == 0;
}

static struct text trim(struct text text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 &&
           (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t')) {
        text.length--;
    }
    return text;
}

bool text_next(struct text *list, struct text *ret_element)
{
    if (!list->data) {
        return false;
    }
    const char *comma = memchr(list->data, ',', list->length);
    size_t length = comma ? (size_t)(comma - list->data) : list->length;
    *ret_element = trim((struct text){list->data, length});
    list->data = comma ? comma + 1 : NULL;
    list->length -= length + (comma ? 1 : 0);
    return true;
}

bool head_names_hop(const struct head *head, struct text name)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].role != FIELD_CONNECTION) {
            continue;
        }
        struct text list = head->fields[i].value, element;
        while (text_next(&list, &element)) {
            if (element.length == name.length &&
                strncasecmp(element.data, name.data, name.length) == 0) {
                return true;
            }
        }
    }
    return false;
}

const struct head_field *head_find(const struct head *head, enum field_role role)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].role == role) {
            return &head->fields[i];
        }
    }
    return NULL;
}

struct text head_value(const struct head *head, const char *name)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (text_is(head->fields[i].name, name)) {
            return head->fields[i].value;
        }
    }
    return (struct text){0};
}

/* Cuts ":port" off; false when what follows the colon is no port. */
static bool cut_port(struct text *host)
{
    const char *end = host->data + host->length;
    const char *colon = memrchr(host->data, ':', host->length);
    if (!colon || (host->data[0] == '[' && end[-1] == ']')) {
        return true;
    }
    for (const char *p = colon + 1; p < end; p++) {
        if (!isdigit((unsigned char)*p)) {
            return false;
        }
    }
    host->length = (size_t)(colon - host->data);
    return end - colon - 1 <= 5;
}

bool host_normalize(struct text text, char host[GATEWAY_HOST_MAX + 1])
{
    if (text.length == 0 || text.length > GATEWAY_HOST_MAX || !cut_port(&text)) {
        return false;
    }
    bool is_ipv6 = text.length > 2 && text.data[0] == '[' && text.data[text.length - 1] == ']';
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_bracket = is_ipv6 && (i == 0 || i == text.length - 1);
        if (!isalnum(c) && c != '-' && c != '.' && c != '_' && !(is_ipv6 && c == ':') &&
            !is_bracket) {
            return false;
        }
        host[i] = (char)tolower(c);
    }
    size_t length = text.length;
    if (length > 1 && host[length - 1] == '.') {
        length--;
    }
    host[length] = '\0';
    return length > 0 && host[0] != '.';
}
