package Wflows::Webhook;

# Meta's side of the webhooks: payloads as it writes them, signed over the raw bytes, posted; and what the
# database then has.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256_hex);
use HTTP::Tiny;

my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;
my $serial = 0;

# tenant (Wflows::Tenant), account (name: its secret and number; "main"), named (1: the path names it)
sub new {
    my ($class, %o) = @_;
    my $self = bless { account => 'main', %o }, $class;
    my $account = $self->{tenant}{accounts}{ $self->{account} };
    $self->{secret} //= $account->{app_secret};
    $self->{phone} //= $account->{phone_number_id};
    $self->{url} //= $self->{tenant}{stack}->httpd->url("/company/$self->{tenant}{slug}"
        . ($self->{named} ? "/account/$account->{id}" : '') . '/webhooks/whatsapp');
    $self->{http} = HTTP::Tiny->new(timeout => 20, keep_alive => 1, max_redirect => 0);
    return $self;
}

# Posts bytes as they are, or a structure. `signature`: undef signs, '' sends none.
sub post {
    my ($self, $what, %o) = @_;
    my $body = ref $what ? $json->encode($what) : $what;
    my $signature = $o{signature} // 'sha256=' . hmac_sha256_hex($body, $o{secret} // $self->{secret});
    my %headers = ('content-type' => 'application/json', %{ $o{headers} // {} });
    $headers{'x-hub-signature-256'} = $signature if $signature ne '';
    return $self->{http}->request($o{method} // 'POST', $o{url} // $self->{url}, { headers => \%headers, content => $body });
}

sub get {
    my ($self, %query) = @_;
    my $query = join '&', map { "$_=" . $query{$_} =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ger } sort keys %query;
    return $self->{http}->get("$self->{url}?$query");
}

# ---- payloads -----------------------------------------------------------------------------------------------

sub envelope {
    my ($self, $field, @values) = @_;
    return { object => 'whatsapp_business_account',
        entry => [{ id => '102033044055066', changes => [map { { field => $field, value => $_ } } @values] }] };
}

sub value {
    my ($self, %o) = @_;
    return { messaging_product => 'whatsapp', metadata => { display_phone_number => '3225550100', phone_number_id => "$self->{phone}" }, %o };
}

sub text {
    my ($self, %o) = @_;
    $serial++;
    my $from = $o{from} // '32470000001';
    return { from => $from, id => $o{id} // "wamid.text.$$.$serial", timestamp => '1767225600', type => 'text', text => { body => $o{body} // 'hi' } };
}

sub reply {
    my ($self, $answers, %o) = @_;
    $serial++;
    return { from => $o{from} // '32470000001', id => $o{id} // "wamid.reply.$$.$serial", timestamp => $o{at} // '1767225700', type => 'interactive',
        $o{context} ? (context => { from => '3225550100', id => $o{context} }) : (),
        interactive => { type => 'nfm_reply', nfm_reply => { name => 'flow', body => 'Sent',
            response_json => ref $answers ? $json->encode($answers) : $answers } } };
}

sub status {
    my ($self, $status, $id, %o) = @_;
    return { id => $id, status => $status, timestamp => '1767225610', recipient_id => '32470000001', %o };
}

sub messages { my ($self, @m) = @_; return $self->envelope('messages', $self->value(messages => \@m)) }
sub statuses { my ($self, @s) = @_; return $self->envelope('messages', $self->value(statuses => \@s)) }

# ---- what is stored ---------------------------------------------------------------------------------------------

sub rows {
    my ($self, $sql) = @_;
    return $self->{tenant}{stack}->dbh->selectall_arrayref($sql, { Slice => {} }, $self->{tenant}{id});
}

sub events {
    my ($self) = @_;
    return $self->rows('SELECT event_type, dedup_key, account_id, status, phone_number_id, waba_id, payload::text AS payload
        FROM wflows.webhook_events WHERE company_id = ? ORDER BY dedup_key COLLATE "C"');
}

sub callbacks {
    my ($self) = @_;
    return $self->rows(q{SELECT event_type, idempotency_key, account_id, payload::text AS payload FROM wflows.outbox
        WHERE company_id = ? AND consumer = 'callback' ORDER BY idempotency_key COLLATE "C"});
}

1;
