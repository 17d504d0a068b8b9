/* Altered files of saved state: the description, the list of layers, the head of saved memory. */
#include "engine/vm/about.h"
#include "engine/vm/layers.h"
#include "engine/vm/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* What is accepted is written again as it was. */
static void try_texts(const char *text)
{
    char again[VM_ABOUT_MAX_BYTES], list[VM_LAYERS_TEXT_MAX_BYTES];
    struct vm_about about;
    struct vm_layers layers;
    if (vm_about_parse(text, &about, NULL) == 0) {
        assert(vm_about_print(&about, again) == strlen(text) && strcmp(again, text) == 0);
    }
    if (vm_layers_parse(text, &layers, NULL) == 0) {
        assert(vm_layers_print(&layers, list) == strlen(text) && strcmp(list, text) == 0);
        json_decref(vm_layers_blockdev(&layers, 20));
    }
}

/* The first bytes are a header, the last the size of the base in pages; the file is as long as the header says. */
static void try_memory(const unsigned char *data, size_t size)
{
    struct vm_memory_header header;
    if (size < sizeof(header) + 1) {
        return;
    }
    memcpy(&header, data, sizeof(header));
    size_t pages = 1 + data[size - 1], stored = data[size - 2] % 16;
    size_t length = vm_memory_data_offset(pages) + stored * VM_PAGE_BYTES;
    unsigned char *file = calloc(1, length);
    memcpy(file, data, size < length ? size : length);
    size_t rest = size - sizeof(header);
    memcpy(file + VM_PAGE_BYTES, data + sizeof(header),
           rest < VM_PAGE_BYTES ? rest : VM_PAGE_BYTES);
    if (vm_memory_check(file, length, pages * VM_PAGE_BYTES, NULL) == 0) {
        size_t found = 0;
        for (size_t i = 0; i < pages; i++) {
            found += vm_memory_page(file + VM_PAGE_BYTES, i) == VM_PAGE_STORED;
        }
        assert(found == stored);
    }
    free(file);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    try_texts(text);
    free(text);
    try_memory(data, size);
    return 0;
}
