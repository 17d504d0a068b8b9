#include "gateway/answer_page.h"

#include "base/buffer.h"
#include "base/cleanup.h"

#include <stdbool.h>
#include <string.h>

enum { PAGE_MAX = 16 * 1024 };

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1.5em;"
    "color:#222;background:#fafafa}h1{font-size:1.4em}code,pre{font-family:ui-monospace,monospace;"
    "background:#eee;padding:.15em .4em;border-radius:4px}pre{padding:.7em 1em;overflow:auto}"
    "small{color:#666}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}"
    "code,pre{background:#2a2a2a}small{color:#999}}";

struct words {
    const char *title;
    const char *more; /* HTML, behind the message */
    enum error_code code;
    bool reloads; /* by itself: it may be fine in a moment */
};

static const struct words all_words[] = {
    {.code = ERR_PORT_NOT_LISTENING,
     .title = "No server is listening yet",
     .more = "<p>Start one inside the sandbox on this port, for example:</p>"
             "<pre>python3 -m http.server PORT</pre>"
             "<p>Both 127.0.0.1 and all addresses will do. This page tries again every two "
             "seconds.</p>",
     .reloads = true},
    {.code = ERR_NOT_RUNNING, .title = "The sandbox is paused", .more = ""},
    {.code = ERR_STARTING,
     .title = "The sandbox is starting",
     .more = "<p>This page tries again every two seconds.</p>",
     .reloads = true},
    {.code = ERR_NOT_FOUND, .title = "There is nothing here", .more = ""},
    {.code = ERR_PREVIEW_TOKEN, .title = "This preview is private", .more = ""},
    {.code = ERR_PREVIEW_SCOPE, .title = "This link is for looking only", .more = ""},
    {.code = ERR_UPSTREAM,
     .title = "The server in the sandbox did not answer properly",
     .more = ""},
    {.code = ERR_UPSTREAM_TIMEOUT, .title = "The server in the sandbox takes too long", .more = ""},
    {.code = ERR_NONE, .title = "This did not work", .more = ""},
};

static const struct words *words_for(enum error_code code)
{
    const struct words *words = all_words;
    while (words->code != code && words->code != ERR_NONE) {
        words++;
    }
    return words;
}

static int append_escaped(struct buffer *page, const char *text)
{
    int failed = 0;
    for (; *text && !failed; text++) {
        switch (*text) {
        case '<':
            failed = buffer_append(page, "&lt;", 4);
            break;
        case '>':
            failed = buffer_append(page, "&gt;", 4);
            break;
        case '&':
            failed = buffer_append(page, "&amp;", 5);
            break;
        case '"':
            failed = buffer_append(page, "&quot;", 6);
            break;
        default:
            failed = buffer_append(page, text, 1);
        }
    }
    return failed;
}

static int append_paragraph(struct buffer *page, const char *text)
{
    return text[0] && (buffer_printf(page, "<p>") || append_escaped(page, text) ||
                       buffer_printf(page, "</p>\n"))
               ? -1
               : 0;
}

char *answer_page(int status, const struct error *err, const char *request_id)
{
    auto_buffer struct buffer page = BUFFER_INIT(PAGE_MAX);
    const struct words *words = words_for(err->code);
    const char *hint = err->hint[0] ? err->hint : error_default_hint(err->code);
    int failed = buffer_printf(
        &page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\">"
        "<meta name=\"robots\" content=\"noindex\">%s<title>%s</title><style>%s</style></head>\n"
        "<body><h1>%s</h1>\n",
        words->reloads ? "<meta http-equiv=\"refresh\" content=\"2\">" : "", words->title, style,
        words->title);
    failed = failed || append_paragraph(&page, err->message);
    failed = failed || buffer_append(&page, words->more, strlen(words->more));
    failed = failed || (!words->more[0] && append_paragraph(&page, hint));
    failed = failed || buffer_printf(&page, "<p><small>%d %s · %s</small></p></body></html>\n",
                                     status, error_api_code(err->code), request_id);
    return failed ? NULL : take_pointer(&page.data);
}
