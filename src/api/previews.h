/* Previews' handlers, and what they share. */
#ifndef ATOLL_API_PREVIEWS_H
#define ATOLL_API_PREVIEWS_H

#include "api/api.h"
#include "store/store_previews.h"

void expose_handle(struct request *request);
void preview_status_handle(struct request *request);
void preview_share_handle(struct request *request);
void preview_unshare_handle(struct request *request);

/* Writes the event "sandbox.preview.ready". */
void preview_tell_ready(struct api *api, const struct sandbox_view *view,
                        const struct store_preview *preview);

/* The preview as clients see it. */
json_t *preview_object(struct api *api, const struct sandbox_view *view,
                       const struct store_preview *preview);

/* The preview {pid} of the caller's sandbox {id}. */
int preview_of_request(struct request *request, struct sandbox_view *ret_view,
                       struct store_preview *ret_preview, struct error *err);

/* Makes a token for the preview alone that is good for so long. */
int preview_make_token(struct api *api, const struct store_preview *preview, int64_t seconds,
                       struct store_preview_token *ret_token, char *text, struct error *err);

#endif
