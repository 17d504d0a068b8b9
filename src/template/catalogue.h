/* The catalogue of templates: JSON files of the catalogue directory, read once at start. */
#ifndef ATOLL_TEMPLATE_CATALOGUE_H
#define ATOLL_TEMPLATE_CATALOGUE_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct catalogue;

struct template_definition {
    const char *id;         /* "vite-react" */
    const char *image_id;   /* image directory: IMAGES/<image_id>/rootfs */
    const char *workdir;    /* "/workspace" */
    const char *engine;     /* "auto", "container", "vm"; NULL: the instance's default */
    int64_t cpu_count, memory_mb, disk_mb; /* 0 = the instance's default */
    json_t *env;            /* object of strings, or NULL */
    json_t *json;           /* as served, borrowed */
};

/* Reads every *.json of directory. A malformed file is an error that names it. */
struct catalogue *catalogue_load(const char *directory, const char *images_directory,
                                 struct error *err);
struct catalogue *catalogue_free(struct catalogue *catalogue);

/* By id or alias; NULL when there is none. Borrowed. */
const struct template_definition *catalogue_find(const struct catalogue *catalogue, const char *id);

/* Is the template's image built on this host now? Looks at the file system each time (cheap). */
bool catalogue_image_ready(const struct catalogue *catalogue,
                           const struct template_definition *definition);

/* {"default_template_id":…,"data":[…]}; each object says "ready". New reference. */
json_t *catalogue_to_json(const struct catalogue *catalogue, bool include_aliases);
json_t *template_to_json(const struct catalogue *catalogue,
                         const struct template_definition *definition);

extern const char catalogue_default_id[]; /* "miosa-sandbox" */

/* What a template or a request may ask for: "auto", "container" or "vm". */
bool engine_name_valid(const char *name);
extern const char engine_names[]; /* for messages */

#endif
