/* Handlers of the file routes, by subject; the table is in files.c. "/files…" answers {"data":…}, "/fs…" the
 * newer clients' own shapes. */
#ifndef ATOLL_API_FILES_H
#define ATOLL_API_FILES_H

#include "http/http.h"

/* files_write.c: one file a request, streamed. */
int files_write_begin(struct request *request, struct error *err); /* JSON, form or raw by type */
int files_write_json_begin(struct request *request, struct error *err);
int files_write_text_begin(struct request *request, struct error *err); /* JSON with plain text */
int files_write_raw_begin(struct request *request, struct error *err);  /* ?path= */
int files_write_url_begin(struct request *request, struct error *err);  /* path in the URL */
int files_write_data(struct request *request, const void *bytes, size_t length, struct error *err);
void files_write_handle(struct request *request);
void fs_write_handle(struct request *request);

/* files_write_many.c */
void files_write_many_handle(struct request *request);

/* files_read.c */
void files_download_handle(struct request *request); /* path in the URL */
void files_read_handle(struct request *request);     /* ?path=, as text */
void fs_download_handle(struct request *request);    /* ?path= */
void fs_read_handle(struct request *request);        /* ?path=, text in JSON */

/* files_read.c: the header that offers what is sent under that name, percent-encoded but for plain characters */
void files_add_disposition(struct request *request, const char *name);

/* files_list.c */
void files_list_handle(struct request *request);
void files_tree_handle(struct request *request);
void fs_list_handle(struct request *request);

/* files_stat.c */
void files_stat_handle(struct request *request);     /* JSON body */
void files_stat_get_handle(struct request *request); /* ?path= */
void files_exists_handle(struct request *request);

/* files_change.c */
void files_mkdir_handle(struct request *request);
void files_rename_handle(struct request *request);
void files_chmod_handle(struct request *request);
void files_delete_handle(struct request *request);     /* JSON body */
void files_delete_url_handle(struct request *request); /* path in the URL */
void fs_delete_handle(struct request *request);

#endif
