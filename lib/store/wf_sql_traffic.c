#include "store/wf_sql_json.h"

/* What came in, what goes out, and the files between. $7 account, $8 from, $9 to, $10 accounts of the caller. */

/* ---- webhook events ------------------------------------------------------------------------- */

#define EVENT_COLUMNS(T) \
    "e.id, e.company_id, e.account_id, e.waba_id, e.phone_number_id, e.event_type, " \
    "e.status, e.error, " \
    T("e.received_at") " as received_at, " \
    T("e.processed_at") " as processed_at"
#define EVENTS "wflows.webhook_events e"
/* $5 event_type, $6 status */
#define EVENTS_FILTERED                                                       \
    "e.company_id = $1::uuid and ($5::text is null or e.event_type = $5)"     \
    " and ($6::text is null or e.status = $6)"                                \
    " and " WF_SQL_OF_ACCOUNT("e.account_id", "$10")                          \
    " and " WF_SQL_WITHIN("e.received_at")

/* ---- deliveries ------------------------------------------------------------------------------ */

#define DELIVERIES "wflows.outbox o"
/* $5 event_type, $6 status, $11 consumer. What the server tells itself is nobody's delivery. */
#define DELIVERIES_FILTERED                                                                 \
    "o.company_id = $1::uuid and o.consumer <> 'cache'"                                     \
    " and ($5::text is null or o.event_type = $5) and ($6::text is null or o.status = $6)"  \
    " and ($11::text is null or o.consumer = $11)"                                          \
    " and " WF_SQL_OF_ACCOUNT("o.account_id", "$10")                                        \
    " and " WF_SQL_WITHIN_ID("o.created_at", "o.id")

/* ---- media ----------------------------------------------------------------------------------- */

#define MEDIA "wflows.media m"
/* $5 session, $6 status, $11 response */
#define MEDIA_FILTERED                                                            \
    "m.company_id = $1::uuid and ($5::uuid is null or m.session_id = $5::uuid)"   \
    " and ($6::text is null or m.status = $6)"                                    \
    " and ($11::uuid is null or m.response_id = $11::uuid)"                       \
    " and " WF_SQL_OF_ACCOUNT("m.account_id", "$10")                              \
    " and " WF_SQL_WITHIN("m.created_at")

const wf_pg_stmt_t wf_sql_traffic[] = {
    WF_SQL_AT(WF_SQL_EVENT_ONE) =
        {"event_one",
         "select " WF_SQL_JSON_OF(EVENT_COLUMNS(WF_SQL_TIME_TEXT) ", e.payload") " from " EVENTS
         " where e.company_id = $1::uuid and e.id = $2::uuid"
         " and ($3::uuid[] is null or e.account_id = any ($3::uuid[]))",
         3},
    WF_SQL_AT(WF_SQL_EVENT_PAGE_NEWEST) =
        {"event_page_newest",
         WF_SQL_PAGE_NEWEST(EVENT_COLUMNS(WF_SQL_TIME), EVENTS, EVENTS_FILTERED, "e.received_at", "e.id"), 10},
    WF_SQL_AT(WF_SQL_EVENT_PAGE_OLDEST) =
        {"event_page_oldest",
         WF_SQL_PAGE_OLDEST(EVENT_COLUMNS(WF_SQL_TIME), EVENTS, EVENTS_FILTERED, "e.received_at", "e.id"), 10},

    WF_SQL_AT(WF_SQL_DELIVERY_ONE) =
        {"delivery_one",
         "select wflows.outbox_json(o) from " DELIVERIES
         " where o.company_id = $1::uuid and o.id = $2::uuid and o.consumer <> 'cache'"
         " and ($3::uuid[] is null or o.account_id = any ($3::uuid[]))",
         3},
    WF_SQL_AT(WF_SQL_DELIVERY_PAGE_NEWEST) =
        {"delivery_page_newest",
         WF_SQL_PAGE_ID_NEWEST("wflows.outbox_json(o)", DELIVERIES, DELIVERIES_FILTERED, "o.id"),
         11},
    WF_SQL_AT(WF_SQL_DELIVERY_PAGE_OLDEST) =
        {"delivery_page_oldest",
         WF_SQL_PAGE_ID_OLDEST("wflows.outbox_json(o)", DELIVERIES, DELIVERIES_FILTERED, "o.id"),
         11},

    WF_SQL_AT(WF_SQL_MEDIA_ONE) =
        {"media_one",
         "select wflows.media_json(m) from " MEDIA " where m.company_id = $1::uuid"
         " and m.id = $2::uuid and ($3::uuid[] is null or m.account_id = any ($3::uuid[]))",
         3},
    WF_SQL_AT(WF_SQL_MEDIA_PAGE_NEWEST) =
        {"media_page_newest",
         WF_SQL_PAGE_NEWEST("wflows.media_json(m)", MEDIA, MEDIA_FILTERED, "m.created_at", "m.id"),
         11},
    WF_SQL_AT(WF_SQL_MEDIA_PAGE_OLDEST) =
        {"media_page_oldest",
         WF_SQL_PAGE_OLDEST("wflows.media_json(m)", MEDIA, MEDIA_FILTERED, "m.created_at", "m.id"),
         11},
};
