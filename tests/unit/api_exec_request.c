/* What requests say about commands. */
#include "check.h"

#include "api/exec_request.h"

#include <stdlib.h>
#include <string.h>

/* Parses JSON with ' for ". */
static int parse(const char *text, enum exec_form form, struct exec_request *request, json_t **body,
                 struct error *err)
{
    char *quoted = strdup(text);
    for (char *c = quoted; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    *err = (struct error){0};
    *request = (struct exec_request){0};
    *body = json_loads(quoted, 0, NULL);
    free(quoted);
    CHECK(*body != NULL);
    return exec_request_parse(*body, form, request, err);
}

/* The arguments, joined by '|'. */
static void check_arguments(const char *text, const char *wanted)
{
    struct exec_request request;
    struct error err;
    json_t *body;
    char joined[256] = "";
    CHECK_INT(parse(text, EXEC_FORM_EXEC, &request, &body, &err), 0);
    for (const char **argument = request.arguments; argument && *argument; argument++) {
        strcat(strcat(joined, *argument), "|");
    }
    CHECK_TEXT(joined, wanted);
    exec_request_free(&request);
    json_decref(body);
}

static void commands_come_in_every_form(void)
{
    check_arguments("{'command':'echo hi'}", "/bin/bash|-c|echo hi|");
    check_arguments("{'cmd':'echo hi'}", "/bin/bash|-c|echo hi|");
    check_arguments("{'cmd':'node','args':['a','']}", "node|a||");
    check_arguments("{'command':'node','args':[]}", "node|");
    check_arguments("{'command':['ls','-l']}", "ls|-l|");
    check_arguments("{'argv':['ls']}", "ls|");
    check_arguments("{'command':null,'cmd':'x','args':null}", "/bin/bash|-c|x|");
}

static void check_refused(const char *text, enum exec_form form, enum error_code code,
                          const char *field)
{
    struct exec_request request;
    struct error err;
    json_t *body;
    CHECK_INT(parse(text, form, &request, &body, &err), -1);
    CHECK_TEXT(error_api_code(err.code), error_api_code(code));
    CHECK_TEXT(err.field, field);
    exec_request_free(&request);
    json_decref(body);
}

static void bad_fields_are_named(void)
{
    check_refused("{}", EXEC_FORM_EXEC, ERR_MISSING_PARAM, "command");
    check_refused("{'command':''}", EXEC_FORM_EXEC, ERR_VALIDATION, "command");
    check_refused("{'command':[]}", EXEC_FORM_EXEC, ERR_VALIDATION, "command");
    check_refused("{'command':['']}", EXEC_FORM_EXEC, ERR_VALIDATION, "command");
    check_refused("{'argv':['a',1]}", EXEC_FORM_EXEC, ERR_VALIDATION, "argv");
    check_refused("{'cmd':'a','args':'b'}", EXEC_FORM_EXEC, ERR_VALIDATION, "args");
    check_refused("{'command':'a','cwd':'b'}", EXEC_FORM_EXEC, ERR_VALIDATION, "cwd");
    check_refused("{'command':'a','env':[]}", EXEC_FORM_EXEC, ERR_VALIDATION, "env");
    check_refused("{'command':'a','env':{'':'x'}}", EXEC_FORM_EXEC, ERR_VALIDATION, "env");
    check_refused("{'command':'a','stdin':'a','stdin_base64':''}", EXEC_FORM_EXEC, ERR_VALIDATION,
                  "stdin_base64");
    check_refused("{'command':'a','wait':'yes'}", EXEC_FORM_EXEC, ERR_VALIDATION, "wait");
    check_refused("{'command':'a','wait_timeout_ms':120001}", EXEC_FORM_EXEC, ERR_VALIDATION,
                  "wait_timeout_ms");
    check_refused("{'command':'a','detached':true}", EXEC_FORM_RUN, ERR_VALIDATION, "detached");
    check_refused("{'command':'a','detached':'yes'}", EXEC_FORM_EXEC, ERR_VALIDATION, "detached");
    check_refused("{'command':'a','tty':true}", EXEC_FORM_EXEC, ERR_VALIDATION, "tty");
    check_refused("{'command':'a','sudo':1}", EXEC_FORM_COMMANDS, ERR_VALIDATION, "sudo");
    check_refused("{'command':'a','name':''}", EXEC_FORM_JOB, ERR_VALIDATION, "name");
    check_refused("{'command':'a','sudo':true,'user':'sandbox'}", EXEC_FORM_JOB, ERR_VALIDATION,
                  "sudo");
    check_refused("{'command':['a']}", EXEC_FORM_COMMANDS, ERR_VALIDATION, "command");
}

static void check_timeout(const char *text, enum exec_form form, int64_t wanted_ms)
{
    struct exec_request request;
    struct error err;
    json_t *body;
    CHECK_INT(parse(text, form, &request, &body, &err), 0);
    CHECK_INT(request.timeout_ms, wanted_ms);
    exec_request_free(&request);
    json_decref(body);
}

static void timeouts_have_names_units_and_limits(void)
{
    check_timeout("{'command':'a'}", EXEC_FORM_EXEC, 30000);
    check_timeout("{'command':'a'}", EXEC_FORM_COMMANDS, 60000);
    check_timeout("{'command':'a','timeout':2}", EXEC_FORM_EXEC, 2000);
    check_timeout("{'command':'a','timeout':0.0015}", EXEC_FORM_EXEC, 2);
    check_timeout("{'command':'a','timeout':86400}", EXEC_FORM_EXEC, 86400000);
    check_timeout("{'command':'a','timeout_ms':1}", EXEC_FORM_EXEC, 1);
    check_timeout("{'command':'a','timeoutMs':1500}", EXEC_FORM_EXEC, 1500);
    check_timeout("{'command':'a','timeout_seconds':600}", EXEC_FORM_COMMANDS, 600000);
    check_timeout("{'command':'a'}", EXEC_FORM_JOB, 0);
    check_timeout("{'command':'a','detached':true}", EXEC_FORM_EXEC, 0);
    check_timeout("{'command':'a','timeout':2073600}", EXEC_FORM_JOB, 2073600000);
    check_refused("{'command':'a','timeout':2073601}", EXEC_FORM_JOB, ERR_TIMEOUT_TOO_LONG,
                  "timeout");
    check_refused("{'command':'a','timeout':86401}", EXEC_FORM_EXEC, ERR_TIMEOUT_TOO_LONG,
                  "timeout");
    check_refused("{'command':'a','timeout_seconds':601}", EXEC_FORM_COMMANDS, ERR_TIMEOUT_TOO_LONG,
                  "timeout_seconds");
    check_refused("{'command':'a','timeout':0}", EXEC_FORM_EXEC, ERR_VALIDATION, "timeout");
    check_refused("{'command':'a','timeout':-1}", EXEC_FORM_EXEC, ERR_VALIDATION, "timeout");
    check_refused("{'command':'a','timeout':'1'}", EXEC_FORM_EXEC, ERR_VALIDATION, "timeout");
}

static void waiting_is_asked_for(void)
{
    struct exec_request request;
    struct error err;
    json_t *body;
    CHECK_INT(parse("{'command':'a','wait':true,'wait_timeout_ms':7}", EXEC_FORM_EXEC, &request,
                    &body, &err),
              0);
    CHECK_INT(request.wait_ms, 7);
    exec_request_free(&request);
    json_decref(body);
    CHECK_INT(parse("{'command':'a','wait':30}", EXEC_FORM_RUN, &request, &body, &err), 0);
    CHECK_INT(request.wait_ms, 0);
    exec_request_free(&request);
    json_decref(body);
}

static void check_detached(const char *text, enum exec_form form, bool wanted)
{
    struct exec_request request;
    struct error err;
    json_t *body;
    CHECK_INT(parse(text, form, &request, &body, &err), 0);
    CHECK_INT(request.detached, wanted);
    exec_request_free(&request);
    json_decref(body);
}

static void commands_are_detached_in_many_words(void)
{
    check_detached("{'command':'a'}", EXEC_FORM_EXEC, false);
    check_detached("{'cmd':'a','args':[],'detached':true}", EXEC_FORM_EXEC, true);
    check_detached("{'command':'a','detach':true}", EXEC_FORM_EXEC, true);
    check_detached("{'command':'a','background':true}", EXEC_FORM_EXEC, true);
    check_detached("{'command':'a','user':'sandbox'}", EXEC_FORM_EXEC, false);
    check_detached("{'command':'a'}", EXEC_FORM_COMMANDS, false);
    check_detached("{'command':'a','sudo':false}", EXEC_FORM_COMMANDS, false);
    check_detached("{'command':'a','user':'sandbox'}", EXEC_FORM_COMMANDS, true);
    check_detached("{'command':'a','name':'web'}", EXEC_FORM_COMMANDS, true);
    check_detached("{'command':'a'}", EXEC_FORM_JOB, true);
}

static bool has_variable(const struct exec_request *request, const char *wanted)
{
    for (char **variable = request->environment; *variable; variable++) {
        if (strcmp(*variable, wanted) == 0) {
            return true;
        }
    }
    return false;
}

static void the_sandbox_completes_a_request(void)
{
    struct sandbox_use use = {.workdir = "/workspace"};
    struct exec_request request;
    struct error err;
    json_t *body;
    use.env = json_pack("{s:s,s:s}", "A", "sandbox", "B", "sandbox");
    CHECK_INT(parse("{'command':'a','cwd':'x/y','env':{'B':'request','LANG':'C'}}",
                    EXEC_FORM_COMMANDS, &request, &body, &err),
              0);
    CHECK_INT(exec_request_resolve(&request, &use, &err), 0);
    CHECK_TEXT(request.cwd, "/workspace/x/y");
    CHECK(has_variable(&request, "A=sandbox"));
    CHECK(has_variable(&request, "B=request"));
    CHECK(has_variable(&request, "LANG=C"));
    exec_request_free(&request);
    json_decref(body);
    json_decref(use.env);
}

static const struct check_case cases[] = {
    {"commands come in every form", commands_come_in_every_form},
    {"bad fields are named", bad_fields_are_named},
    {"timeouts have names, units and limits", timeouts_have_names_units_and_limits},
    {"waiting is asked for", waiting_is_asked_for},
    {"commands are detached in many words", commands_are_detached_in_many_words},
    {"the sandbox completes a request", the_sandbox_completes_a_request},
};

CHECK_MAIN(cases)
