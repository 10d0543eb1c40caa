-- People, keys and records of the management API.

-- A person who belongs to several companies has a row in each, with the same id and password_hash.
create table wflows.users (
    company_id uuid not null constraint users_company_id_fkey references wflows.companies (id),
    id uuid not null,
    email text not null,
    name text not null,
    password_hash text, -- argon2id; null: cannot log in with a password
    role text not null,
    status text not null default 'active',
    last_login_at timestamptz,
    tokens_not_before timestamptz, -- tokens without a session that were made before are not valid
    created_by text,
    updated_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    primary key (company_id, id),
    constraint users_email_check check (email ~ '^[^@\s]+@[^@\s]+$' and char_length(email) <= 254),
    constraint users_name_check check (char_length(name) between 1 and 200),
    constraint users_password_hash_check check (password_hash like '$argon2id$%'),
    constraint users_role_check check (role in ('admin', 'gestor', 'operador', 'leitura')),
    constraint users_status_check check (status in ('active', 'inactive', 'invited'))
);
create unique index users_email_key on wflows.users (company_id, lower(email)) where deleted_at is null;
create index users_login on wflows.users (lower(email)) where deleted_at is null;
create index users_person on wflows.users (id);
call wflows.protect('wflows.users');
create policy lookup_read on wflows.users for select to wflows_lookup using (true);
grant select on wflows.users to wflows_lookup;
grant select, insert, update on wflows.users to wflows_app;
grant select, insert, update, delete on wflows.users to wflows_platform;

create table wflows.api_keys (
    company_id uuid not null constraint api_keys_company_id_fkey references wflows.companies (id),
    id uuid not null,
    name text not null,
    key_hash text not null,   -- argon2id
    key_prefix text not null, -- the public look-up id of wfk_<lookup id>_<secret>
    scopes text[] not null default '{}',
    whatsapp_account_ids uuid[] not null default '{}', -- empty: all
    rate_limit_per_minute int not null default 60,
    last_used_at timestamptz,
    usage_count bigint not null default 0,
    status text not null default 'active',
    expires_at timestamptz,
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint api_keys_key_prefix_key unique (company_id, key_prefix),
    constraint api_keys_name_check check (char_length(name) between 1 and 100),
    constraint api_keys_key_hash_check check (key_hash like '$argon2id$%'),
    constraint api_keys_key_prefix_check check (key_prefix ~ '^[A-Za-z0-9]{8,32}$'),
    constraint api_keys_rate_limit_per_minute_check check (rate_limit_per_minute between 0 and 1000000),
    constraint api_keys_status_check check (status in ('active', 'revoked', 'expired'))
);
create unique index api_keys_name_key on wflows.api_keys (company_id, name) where status = 'active';
create index api_keys_login on wflows.api_keys (key_prefix);
call wflows.protect('wflows.api_keys');
create policy lookup_read on wflows.api_keys for select to wflows_lookup using (true);
grant select on wflows.api_keys to wflows_lookup;
grant select, insert, update on wflows.api_keys to wflows_app;
grant select, insert, update, delete on wflows.api_keys to wflows_platform;

-- DESIGN.md section 9: 24 h, same body the same reply, another body 422, in flight 409.
create table wflows.idempotency_keys (
    company_id uuid not null, -- the nil UUID for POST /companies
    subject text not null,    -- who sent it: one caller's keys are no other's
    key text not null,
    request_hash bytea not null, -- SHA-256 of method, path and body
    status text not null default 'in_flight',
    response_status int,
    response_headers json,
    response_body text,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (company_id, subject, key),
    constraint idempotency_keys_key_check check (char_length(key) between 1 and 255),
    constraint idempotency_keys_request_hash_check check (octet_length(request_hash) = 32),
    constraint idempotency_keys_status_check check (status in ('in_flight', 'done'))
);
create index idempotency_keys_expiry on wflows.idempotency_keys (expires_at);
call wflows.protect('wflows.idempotency_keys');
grant select, insert, update, delete on wflows.idempotency_keys to wflows_app, wflows_platform;

create table wflows.integrations (
    company_id uuid not null constraint integrations_company_id_fkey references wflows.companies (id),
    id uuid not null,
    kind text not null,
    name text not null,
    config jsonb not null default '{}',
    secret text, -- sealed
    status text not null default 'active',
    created_by text,
    updated_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint integrations_name_key unique (company_id, kind, name),
    constraint integrations_kind_check check (kind ~ '^[a-z][a-z0-9_-]{0,31}$'),
    constraint integrations_name_check check (char_length(name) between 1 and 100),
    constraint integrations_config_check check (jsonb_typeof(config) = 'object'),
    constraint integrations_secret_check check (secret like 'wf1:%'),
    constraint integrations_status_check check (status in ('active', 'inactive'))
);
call wflows.protect('wflows.integrations');
grant select, insert, update, delete on wflows.integrations to wflows_app, wflows_platform;

create table wflows.feature_flags (
    company_id uuid not null constraint feature_flags_company_id_fkey references wflows.companies (id),
    name text not null,
    enabled boolean not null default false,
    value jsonb,
    updated_by text,
    updated_at timestamptz not null default now(),
    primary key (company_id, name),
    constraint feature_flags_name_check check (name ~ '^[a-z][a-z0-9_.-]{0,63}$')
);
call wflows.protect('wflows.feature_flags');
grant select, insert, update, delete on wflows.feature_flags to wflows_app, wflows_platform;

create table wflows.approvals (
    company_id uuid not null constraint approvals_company_id_fkey references wflows.companies (id),
    id uuid not null,
    action text not null,
    resource_type text not null,
    resource_id text,
    request json not null,
    status text not null default 'pending',
    requested_by text not null,
    decided_by text,
    reason text,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    decided_at timestamptz,
    primary key (company_id, id),
    constraint approvals_action_check check (action ~ '^[a-z_]+\.[a-z_]+$'),
    constraint approvals_status_check
        check (status in ('pending', 'approved', 'rejected', 'cancelled', 'expired')),
    constraint approvals_decided_check
        check ((status in ('approved', 'rejected')) = (decided_by is not null))
);
create index approvals_open on wflows.approvals (company_id, created_at) where status = 'pending';
call wflows.protect('wflows.approvals');
grant select, insert, update on wflows.approvals to wflows_app;
grant select, insert, update, delete on wflows.approvals to wflows_platform;

-- People who asked to be left alone, by wa_id or business-scoped user_id.
create table wflows.opt_outs (
    company_id uuid not null constraint opt_outs_company_id_fkey references wflows.companies (id),
    contact text not null,
    category text not null default 'all',
    source text not null,
    reason text,
    active boolean not null default true, -- false: taken back; kept so that an older "stop" that comes late does not count
    changed_at timestamptz not null default now(), -- when the person said so
    created_at timestamptz not null default now(),
    primary key (company_id, contact, category),
    constraint opt_outs_contact_check check (char_length(contact) between 1 and 256),
    constraint opt_outs_category_check check (category ~ '^[a-z][a-z0-9_-]{0,31}$')
);
call wflows.protect('wflows.opt_outs');
grant select, insert, update, delete on wflows.opt_outs to wflows_app, wflows_platform;
