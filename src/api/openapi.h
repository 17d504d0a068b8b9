/* docs/openapi.json, built into the program. */
#ifndef ATOLL_API_OPENAPI_H
#define ATOLL_API_OPENAPI_H

#include <stddef.h>

extern const char openapi_document[];
extern const size_t openapi_document_length;

#endif
