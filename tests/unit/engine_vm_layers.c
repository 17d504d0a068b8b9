/* The list of a disk's images, what a machine was made of, and which files are read again. */
#include "base/cleanup.h"
#include "check.h"
#include "engine/vm/about.h"
#include "engine/vm/known.h"
#include "engine/vm/layers.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int open_temporary(char path[32])
{
    strcpy(path, "/tmp/unit-layers-XXXXXX");
    CHECK(mkdtemp(path) != NULL);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_temporary(const char *path)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", path);
    CHECK_INT(system(command), 0);
}

static void put(int directory, const char *name, const char *text)
{
    auto_close int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void names_are_unique_and_bounded(void)
{
    struct vm_layers layers = {0}, again;
    struct error err = {0};
    char text[VM_LAYERS_TEXT_MAX_BYTES + 1];
    CHECK_INT(vm_layers_push(&layers, VM_LAYER_BASE, &err), 0);
    CHECK_INT(vm_layers_push(&layers, VM_LAYER_SEED, &err), 0);
    for (int i = 2; i < VM_LAYERS_MAX + VM_LAYERS_SLACK; i++) {
        CHECK_INT(vm_layers_push(&layers, NULL, &err), 0);
    }
    CHECK_TEXT(layers.at[2].name, "layer-1");
    CHECK_INT(vm_layers_push(&layers, NULL, &err), -1);
    layers.at[1] = layers.at[layers.count - 1]; /* a chain that was shortened */
    layers.count = 2;
    CHECK_INT(vm_layers_push(&layers, NULL, &err), 0);
    CHECK_TEXT(layers.at[2].name, "layer-23");
    text[vm_layers_print(&layers, text)] = '\0';
    CHECK_TEXT(text, "blank -\nlayer-22 -\nlayer-23 -\n");
    CHECK_INT(vm_layers_parse(text, &again, &err), 0);
    CHECK_INT(again.count, 3);
    CHECK_INT(vm_layers_find(&again, "layer-22"), 1);
    CHECK_INT(vm_layers_find(&again, "seed"), -1);
}

static void damaged_lists_are_refused(void)
{
    static const char *const texts[] = {"",
                                        "blank",
                                        "blank \n",
                                        "blank - \n",
                                        "seed -\n",
                                        "blank -\nblank -\n",
                                        "blank -\n../x -\n",
                                        "blank -\nlayer-0 -\n",
                                        "blank -\nlayer-01 -\n",
                                        "blank -\nlayer-1 -\nlayer-1 -\n",
                                        "blank " DIGEST "0\n",
                                        "blank 0123\n",
                                        "blank -\n\n",
                                        "blank -\nlayer-1 -\nx"};
    struct vm_layers layers;
    struct error err = {0};
    CHECK_INT(vm_layers_parse("blank " DIGEST "\nseed -\n", &layers, &err), 0);
    CHECK_TEXT(layers.at[0].digest, DIGEST);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK_INT(vm_layers_parse(texts[i], &layers, &err), -1);
        CHECK_INT(err.code, ERR_NOT_RESTORABLE);
    }
}

/* What QEMU is told: each image by a descriptor set, with no name that it would follow. */
static void only_the_top_is_writable(void)
{
    struct vm_layers layers = {0};
    struct error err = {0};
    vm_layers_push(&layers, VM_LAYER_BASE, &err);
    vm_layers_push(&layers, VM_LAYER_SEED, &err);
    vm_layers_push(&layers, NULL, &err);
    json_t *node = vm_layers_blockdev(&layers, 20);
    const char *names[] = {"layer-1", "seed", "blank"};
    const char *files[] = {"/dev/fdset/22", "/dev/fdset/21", "/dev/fdset/20"};
    json_t *at = node;
    for (int i = 0; i < 3; i++) {
        REQUIRE(at != NULL);
        json_t *file = json_object_get(at, "file");
        CHECK_TEXT(json_string_value(json_object_get(at, "node-name")), names[i]);
        CHECK_TEXT(json_string_value(json_object_get(file, "filename")), files[i]);
        CHECK_INT(json_is_true(json_object_get(at, "read-only")), i > 0);
        CHECK_TEXT(json_string_value(json_object_get(at, "driver")), i == 2 ? "raw" : "qcow2");
        at = json_object_get(at, "backing");
    }
    CHECK(at == NULL);
    json_decref(node);
    json_t *added = vm_layer_blockdev("layer-2", 1002);
    CHECK(json_is_null(json_object_get(added, "backing")));
    json_decref(added);
}

static void a_new_top_is_an_empty_image(void)
{
    char path[32], text[16] = "";
    struct vm_layers layers = {0};
    struct error err = {0};
    auto_close int directory = open_temporary(path), other = -1;
    put(directory, VM_EMPTY_NAME, "empty");
    vm_layers_push(&layers, VM_LAYER_BASE, &err);
    vm_layers_push(&layers, NULL, &err);
    put(directory, "layer-1", "what a machine left that was cut short");
    CHECK_INT(vm_layers_make_top(directory, &layers, &err), 0);
    auto_close int top = vm_layers_open(&layers, 1, directory, false, &err);
    CHECK(read(top, text, sizeof(text)) == 5);
    CHECK_TEXT(text, "empty");
    CHECK_INT(vm_link(directory, "nothing", directory, "x", &err), -1);
    CHECK_INT(err.code, ERR_NOT_RESTORABLE);
    CHECK_INT(vm_layers_open(&layers, 0, directory, false, &err), -1);
    remove_temporary(path);
}

static struct vm_about example(void)
{
    return (struct vm_about){.shape = {.facts = {.qemu_version = "7.2.22 (Debian 1:7.2)",
                                                 .accel = "tcg",
                                                 .cpu_model = "max",
                                                 .guest_digest = DIGEST},
                                       .template_image = "miosa-sandbox",
                                       .template_digest = DIGEST,
                                       .cpu_count = 1,
                                       .memory_bytes = 512 << 20,
                                       .disk_bytes = 1 << 30},
                             .base_digest = DIGEST,
                             .memory_digest = "-",
                             .device_digest = "-"};
}

static void a_description_reads_as_it_was_written(void)
{
    char text[VM_ABOUT_MAX_BYTES], again_text[VM_ABOUT_MAX_BYTES];
    struct vm_about about = example(), again;
    struct error err = {0};
    size_t length = vm_about_print(&about, text);
    REQUIRE(vm_about_parse(text, &again, &err) == 0);
    CHECK_INT(vm_about_print(&again, again_text), length);
    CHECK_TEXT(again_text, text);
    for (size_t i = 0; i < length; i++) { /* cut anywhere it is none */
        char saved = text[i];
        text[i] = '\0';
        CHECK_INT(vm_about_parse(text, &again, &err), -1);
        text[i] = saved;
    }
    strcat(text, "x");
    CHECK_INT(vm_about_parse(text, &again, &err), -1);
}

static void what_does_not_fit_is_named(void)
{
    struct vm_shape saved = example().shape, now = saved;
    struct error err = {0};
    memset(now.facts.guest_digest, '0', 4); /* another kernel on the host does not matter */
    CHECK_INT(vm_shape_fits(&saved, &now, &err), 0);
    strcpy(now.facts.qemu_version, "8.0");
    CHECK_INT(vm_shape_fits(&saved, &now, &err), -1);
    CHECK_INT(err.code, ERR_NOT_RESTORABLE);
    CHECK_TEXT(err.message, "its memory was saved by QEMU 7.2.22 (Debian 1:7.2), here is 8.0");
    now = saved;
    strcpy(now.facts.accel, "kvm");
    CHECK_INT(vm_shape_fits(&saved, &now, &err), -1);
    now = saved;
    now.memory_bytes *= 2;
    CHECK_INT(vm_shape_fits(&saved, &now, &err), -1);
}

static void seeds_differ_by_everything(void)
{
    char key[ENGINE_DIGEST_SIZE], other[ENGINE_DIGEST_SIZE];
    struct vm_shape shape = example().shape;
    CHECK_INT(vm_shape_key(&shape, key), 0);
    shape.disk_bytes++;
    CHECK_INT(vm_shape_key(&shape, other), 0);
    CHECK(strcmp(key, other) != 0);
}

static void a_known_file_is_read_again_when_it_was_written_to(void)
{
    char path[32], digest[ENGINE_DIGEST_SIZE];
    struct error err = {0};
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    struct vm_known *known = vm_known_new(&err);
    auto_close int directory = open_temporary(path);
    put(directory, "file", "one");
    CHECK_INT(utimensat(directory, "file", times, 0), 0);
    CHECK_INT(vm_known_digest(known, directory, "file", digest, NULL, &err), 0);
    put(directory, "file", "two");
    CHECK_INT(vm_known_check(known, directory, "file", digest, &err), -1);
    CHECK_INT(err.code, ERR_NOT_RESTORABLE);
    /* With the time of before it is not looked into: proof that it was known. */
    CHECK_INT(utimensat(directory, "file", times, 0), 0);
    CHECK_INT(vm_known_check(known, directory, "file", digest, &err), 0);
    CHECK_INT(linkat(directory, "file", directory, "link", 0), 0);
    CHECK_INT(vm_known_check(known, directory, "link", digest, &err), 0);
    CHECK_INT(vm_known_check(NULL, directory, "link", digest, &err), -1);
    CHECK_INT(vm_known_check(known, directory, "nothing", digest, &err), -1);
    vm_known_free(known);
    remove_temporary(path);
}

static const struct check_case cases[] = {
    {"names are unique and bounded", names_are_unique_and_bounded},
    {"damaged lists are refused", damaged_lists_are_refused},
    {"only the top is writable", only_the_top_is_writable},
    {"a new top is an empty image", a_new_top_is_an_empty_image},
    {"a description reads as it was written", a_description_reads_as_it_was_written},
    {"what does not fit is named", what_does_not_fit_is_named},
    {"seeds differ by everything", seeds_differ_by_everything},
    {"a known file is read again when it was written to",
     a_known_file_is_read_again_when_it_was_written_to},
};

CHECK_MAIN(cases)
