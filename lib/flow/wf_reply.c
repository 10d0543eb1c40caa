/* The replies that are always the same (WHATSAPP.md 1.10, 1.11, 1.14). */
#include "flow/wf_flow.h"

#include <string.h>

#define PING "{\"data\":{\"status\":\"active\"}}"
#define ACK "{\"data\":{\"acknowledged\":true}}"
#define TOKEN_INVALID_TEXT "This form is no longer available."

const char *wf_reply_ping(size_t *len)
{
    *len = strlen(PING);
    return PING;
}

const char *wf_reply_ack(size_t *len)
{
    *len = strlen(ACK);
    return ACK;
}

const char *wf_reply_token_invalid(apr_pool_t *pool, const char *text_for_user, size_t *len)
{
    wf_json_t *reply = wf_json_object_make(pool);

    wf_json_set_str(reply, "error_msg",
                    text_for_user && text_for_user[0] ? text_for_user : TOKEN_INVALID_TEXT);
    return wf_json_text(pool, reply, len);
}
