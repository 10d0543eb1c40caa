/* The lists of flows and of what they move. The order of the filters is that of the statements' parameters. */
#include "store/wf_list.h"
#include "store/wf_sql.h"

#define FROM_TO_ACCOUNTS \
    {"from", WF_FILTER_TIME, NULL}, {"to", WF_FILTER_TIME, NULL}, {"accounts", WF_FILTER_ACCOUNTS, NULL}
#define ACCOUNT {"account_id", WF_FILTER_UUID, NULL}
#define END {NULL, WF_FILTER_TEXT, NULL}

/* ---- flows --------------------------------------------------------------------------------- */

static const wf_sort_t flow_sorts[] = {{"-created_at", WF_SQL_FLOW_PAGE_NEWEST, 0},
                                       {"created_at", WF_SQL_FLOW_PAGE_OLDEST, 0},
                                       {"name", WF_SQL_FLOW_PAGE_NAME, 1},
                                       {NULL, 0, 0}};
static const wf_filter_t flow_filters[] = {{"name", WF_FILTER_TEXT, NULL},
                                           {"status", WF_FILTER_WORD, "active inactive"},
                                           ACCOUNT,
                                           {"accounts", WF_FILTER_ACCOUNTS, NULL},
                                           END};
const wf_list_t wf_list_flows = {flow_sorts, flow_filters, 0};
const wf_record_t wf_record_flow = {WF_SQL_FLOW_ONE, "flow"};

static const wf_sort_t version_sorts[] = {{"-version", WF_SQL_FLOW_VERSION_PAGE, 0}, {NULL, 0, 0}};
static const wf_filter_t version_filters[] = {{"flow", WF_FILTER_PATH, NULL}, END};
const wf_list_t wf_list_flow_versions = {version_sorts, version_filters, 0};

/* ---- sessions, responses --------------------------------------------------------------------- */

#define SESSION_STATUSES "active completed cancelled expired"
static const wf_sort_t session_sorts[] = {{"-started_at", WF_SQL_SESSION_PAGE_NEWEST, 1},
                                          {"started_at", WF_SQL_SESSION_PAGE_OLDEST, 1},
                                          {NULL, 0, 0}};
static const wf_filter_t session_filters[] = {{"flow_id", WF_FILTER_UUID, NULL},
                                              {"status", WF_FILTER_WORD, SESSION_STATUSES},
                                              ACCOUNT,
                                              FROM_TO_ACCOUNTS,
                                              END};
const wf_list_t wf_list_sessions = {session_sorts, session_filters, 0};
const wf_record_t wf_record_session = {WF_SQL_SESSION_ONE, "session"};

static const wf_sort_t flow_session_sorts[] = {{"-started_at", WF_SQL_SESSION_FLOW_PAGE_NEWEST, 1},
                                               {"started_at", WF_SQL_SESSION_FLOW_PAGE_OLDEST, 1},
                                               {NULL, 0, 0}};
static const wf_filter_t flow_session_filters[] = {{"flow", WF_FILTER_PATH, NULL},
                                                   {"status", WF_FILTER_WORD, SESSION_STATUSES},
                                                   ACCOUNT,
                                                   FROM_TO_ACCOUNTS,
                                                   END};
const wf_list_t wf_list_flow_sessions = {flow_session_sorts, flow_session_filters, 0};

#define SOURCES "endpoint webhook"
static const wf_sort_t response_sorts[] = {{"-created_at", WF_SQL_RESPONSE_PAGE_NEWEST, 0},
                                           {"created_at", WF_SQL_RESPONSE_PAGE_OLDEST, 0},
                                           {NULL, 0, 0}};
static const wf_filter_t response_filters[] = {{"flow_id", WF_FILTER_UUID, NULL},
                                               {"source", WF_FILTER_WORD, SOURCES},
                                               ACCOUNT,
                                               FROM_TO_ACCOUNTS,
                                               END};
const wf_list_t wf_list_responses = {response_sorts, response_filters, 0};
const wf_record_t wf_record_response = {WF_SQL_RESPONSE_ONE, "response"};

static const wf_sort_t flow_response_sorts[] = {{"-created_at", WF_SQL_RESPONSE_FLOW_PAGE_NEWEST, 0},
                                                {"created_at", WF_SQL_RESPONSE_FLOW_PAGE_OLDEST, 0},
                                                {NULL, 0, 0}};
static const wf_filter_t flow_response_filters[] = {{"flow", WF_FILTER_PATH, NULL},
                                                    {"source", WF_FILTER_WORD, SOURCES},
                                                    ACCOUNT,
                                                    FROM_TO_ACCOUNTS,
                                                    END};
const wf_list_t wf_list_flow_responses = {flow_response_sorts, flow_response_filters, 0};

/* ---- events, deliveries, files ----------------------------------------------------------------- */

static const wf_sort_t event_sorts[] = {{"-received_at", WF_SQL_EVENT_PAGE_NEWEST, 0},
                                        {"received_at", WF_SQL_EVENT_PAGE_OLDEST, 0},
                                        {NULL, 0, 0}};
static const wf_filter_t event_filters[] = {
    {"event_type", WF_FILTER_TEXT, NULL},
    {"status", WF_FILTER_WORD, "received processed failed unrouted"},
    ACCOUNT,
    FROM_TO_ACCOUNTS,
    END};
const wf_list_t wf_list_events = {event_sorts, event_filters, 0};
const wf_record_t wf_record_event = {WF_SQL_EVENT_ONE, "webhook event"};

static const wf_sort_t delivery_sorts[] = {{"-created_at", WF_SQL_DELIVERY_PAGE_NEWEST, 1},
                                           {"created_at", WF_SQL_DELIVERY_PAGE_OLDEST, 1},
                                           {NULL, 0, 0}};
static const wf_filter_t delivery_filters[] = {
    {"event_type", WF_FILTER_TEXT, NULL},
    {"status", WF_FILTER_WORD, "pending leased done dead"},
    ACCOUNT,
    FROM_TO_ACCOUNTS,
    {"consumer", WF_FILTER_WORD, "callback media"},
    END};
const wf_list_t wf_list_deliveries = {delivery_sorts, delivery_filters, 0};
const wf_record_t wf_record_delivery = {WF_SQL_DELIVERY_ONE, "delivery"};

static const wf_sort_t media_sorts[] = {{"-created_at", WF_SQL_MEDIA_PAGE_NEWEST, 0},
                                        {"created_at", WF_SQL_MEDIA_PAGE_OLDEST, 0},
                                        {NULL, 0, 0}};
static const wf_filter_t media_filters[] = {
    {"session_id", WF_FILTER_UUID, NULL},
    {"status", WF_FILTER_WORD, "pending stored failed expired"},
    ACCOUNT,
    FROM_TO_ACCOUNTS,
    {"response_id", WF_FILTER_UUID, NULL},
    END};
const wf_list_t wf_list_media = {media_sorts, media_filters, 0};
const wf_record_t wf_record_media = {WF_SQL_MEDIA_ONE, "file"};
