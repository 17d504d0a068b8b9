/* What a create request may say. */
#include "check.h"
#include "sandbox_fixture.h"

#include <stdio.h>
#include <string.h>

static struct fixture f;

/* Parses; the error is in f.err. */
static bool parse(const char *text, struct sandbox_spec *ret_spec)
{
    static json_t *request;
    json_decref(request);
    request = json_loads(text, 0, NULL);
    f.err = (struct error){0};
    return request && sandbox_spec_parse(&f.settings, f.catalogue, request, ret_spec, &f.err) == 0;
}

static void check_refused(const char *text, const char *field, enum error_code code)
{
    struct sandbox_spec spec;
    CHECK(!parse(text, &spec));
    CHECK_INT(f.err.code, code);
    CHECK_TEXT(f.err.field, field);
}

static void sizes_give_shapes(void)
{
    struct sandbox_spec spec;
    REQUIRE(parse("{\"size\":\"medium\"}", &spec));
    CHECK_INT(spec.cpu_count, 4);
    CHECK_INT(spec.memory_mb, 8192);
    CHECK_INT(spec.disk_mb, 20480);
    CHECK_TEXT(spec.size, "medium");
    REQUIRE(parse("{\"size\":\"xs\",\"memory_mb\":512}", &spec));
    CHECK_INT(spec.memory_mb, 512);
    CHECK_INT(spec.disk_mb, 10240);
    CHECK_TEXT(spec.size, "");
}

static void templates_have_shapes_of_their_own(void)
{
    struct sandbox_spec spec;
    REQUIRE(parse("{\"template_id\":\"nextjs\"}", &spec));
    CHECK_INT(spec.cpu_count, 2);
    CHECK_INT(spec.disk_mb, 4096);
    REQUIRE(parse("{\"image\":\"base\"}", &spec));
    CHECK_TEXT(spec.template_definition->id, "miosa-sandbox");
    CHECK_INT(spec.memory_mb, 1024);
}

static void unknown_and_unbuilt_templates_are_told_apart(void)
{
    check_refused("{\"template_id\":\"nothing\"}", "template_id", ERR_INVALID_TEMPLATE);
    check_refused("{\"template_id\":\"unbuilt\"}", "template_id", ERR_TEMPLATE_NOT_READY);
    CHECK(strstr(f.err.hint, "build-template unbuilt") != NULL);
    check_refused("{\"template_id\":\"nextjs\",\"image\":\"base\"}", "image", ERR_VALIDATION);
}

static void null_is_absent_and_harmless_fields_are_accepted(void)
{
    struct sandbox_spec spec;
    CHECK(parse("{\"name\":null,\"size\":null,\"env\":null,\"timeout_sec\":null,\"tags\":null,"
                "\"region\":\"eu\",\"bill_to\":\"x\",\"auto_start\":false,\"services\":[],"
                "\"snapshot_id\":null,\"environment\":\"\",\"no_env\":true}",
                &spec));
    CHECK_INT(spec.timeout_sec, 300);
}

static void wait_is_true_or_seconds(void)
{
    struct sandbox_spec spec;
    CHECK(parse("{\"wait\":true}", &spec) && spec.wait_ms == 30000);
    CHECK(parse("{\"wait\":5}", &spec) && spec.wait_ms == 5000);
    CHECK(parse("{\"wait\":false}", &spec) && spec.wait_ms == -1);
    CHECK(parse("{}", &spec) && spec.wait_ms == -1);
    check_refused("{\"wait\":\"long\"}", "wait", ERR_VALIDATION);
}

static void bad_fields_are_refused_by_name(void)
{
    static const struct {
        const char *request, *field;
    } bad[] = {
        {"{\"cpu_count\":0}", "cpu_count"},
        {"{\"cpu_count\":17}", "cpu_count"},
        {"{\"memory_mb\":\"1024\"}", "memory_mb"},
        {"{\"memory_mb\":127}", "memory_mb"},
        {"{\"disk_mb\":1.5}", "disk_mb"},
        {"{\"timeout_sec\":true}", "timeout_sec"},
        {"{\"timeout_sec\":86401}", "timeout_sec"},
        {"{\"idle_timeout_sec\":-1}", "idle_timeout_sec"},
        {"{\"size\":\"huge\"}", "size"},
        {"{\"name\":\"a b\"}", "name"},
        {"{\"name\":\"../x\"}", "name"},
        {"{\"name\":\"\"}", "name"},
        {"{\"slug\":\"-a\"}", "slug"},
        {"{\"slug\":\"5173-a--b\"}", "slug"},
        {"{\"slug\":\"123\"}", "slug"},
        {"{\"slug\":\"5173-a\"}", "slug"},
        {"{\"env\":[\"A=B\"]}", "env"},
        {"{\"env\":{\"1A\":\"x\"}}", "env"},
        {"{\"env\":{\"A\":1}}", "env"},
        {"{\"metadata\":[]}", "metadata"},
        {"{\"tags\":[1]}", "tags"},
        {"{\"tags\":{\"a\":{}}}", "tags"},
        {"{\"network\":\"lan\"}", "network"},
        {"{\"network\":{\"mode\":\"none\"}}", "network"},
        {"{\"snapshot_id\":\"s\"}", "snapshot_id"},
        {"{\"auto_start\":1}", "auto_start"},
        {"{\"auto_resume\":\"yes\"}", "auto_resume"},
        {"{\"commnad\":\"typo\"}", "commnad"},
        {"{\"workspace_name\":\"a\\nb\"}", "workspace_name"},
        {"{\"external_user_id\":7}", "external_user_id"},
        {"{\"response_format\":\"xml\"}", "response_format"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_refused(bad[i].request, bad[i].field, ERR_VALIDATION);
    }
}

static void free_form_fields_have_a_limit(void)
{
    char text[70000];
    memset(text, 'x', sizeof(text));
    struct sandbox_spec spec;
    json_t *long_text = json_stringn(text, sizeof(text));
    json_t *metadata = json_pack("{s:{s:O}}", "metadata", "k", long_text);
    json_t *env = json_pack("{s:{s:O}}", "env", "k", long_text);
    CHECK_INT(sandbox_spec_parse(&f.settings, f.catalogue, metadata, &spec, &f.err), -1);
    CHECK_TEXT(f.err.field, "metadata");
    CHECK_INT(sandbox_spec_parse(&f.settings, f.catalogue, env, &spec, &f.err), -1);
    CHECK_TEXT(f.err.field, "env");
    json_decref(metadata);
    json_decref(env);
    json_decref(long_text);
}

static void limits_of_the_instance_bind_sizes_too(void)
{
    f.settings.max_cpu = 2;
    check_refused("{\"size\":\"medium\"}", "size", ERR_VALIDATION);
    check_refused("{\"cpu_count\":3}", "cpu_count", ERR_VALIDATION);
    f.settings.max_memory_mb = 1024;
    check_refused("{\"template_id\":\"nextjs\"}", "template_id", ERR_VALIDATION);
}

#define CASE(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        struct sandbox_spec spec;                                                                  \
        if (CHECK(fixture_open(&f))) {                                                             \
            name();                                                                                \
        }                                                                                          \
        parse("", &spec); /* drops the last request */                                             \
        fixture_close(&f);                                                                         \
    }

#define CASES(X)                                                                                   \
    X(sizes_give_shapes)                                                                           \
    X(templates_have_shapes_of_their_own)                                                          \
    X(unknown_and_unbuilt_templates_are_told_apart)                                                \
    X(null_is_absent_and_harmless_fields_are_accepted)                                             \
    X(wait_is_true_or_seconds)                                                                     \
    X(bad_fields_are_refused_by_name)                                                              \
    X(free_form_fields_have_a_limit)                                                               \
    X(limits_of_the_instance_bind_sizes_too)

CASES(CASE)

static const struct check_case cases[] = {CASES(FIXTURE_ROW)};

CHECK_MAIN(cases)
