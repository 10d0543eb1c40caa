package Wflows::Api;

# A caller of /api/v2: the platform, a person or program with a token of some role, an API key, or nobody.
#
#   my $api = Wflows::Api->new($stack);                        # platform_admin
#   my $made = $api->post('/companies', { slug => 'acme', … });   # { status, headers, body, json, etag }
#   my $admin = $api->as(role => 'admin', company => $made->{json}{id});
#   $admin->patch("/companies/$id", { name => 'New' }, if_match => $etag);

use strict;
use warnings;

use Carp qw(croak);
use Cpanel::JSON::XS ();
use HTTP::Tiny;
use Wflows::Contract;
use Wflows::Jwt qw(claims jwt);
use Wflows::Stack;

my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

sub new {
    my ($class, $stack, %o) = @_;
    my $self = bless { stack => $stack, headers => {}, %o }, $class;
    $self->{http} = HTTP::Tiny->new(timeout => 60, keep_alive => 1, max_redirect => 0, verify_SSL => 0);
    $self->{token} //= $self->mint unless $self->{api_key} || $self->{nobody};
    return $self;
}

# ---- who ----------------------------------------------------------------------------------------------

# A token. Options: role, company (its tenant_id), claims {more or other ones; undef takes one away}, and what spoils
# it: alg, kid, secret, header {…}.
sub mint {
    my ($self, %o) = @_;
    my $role = $o{role} // 'platform_admin';
    my $claims = claims(sub => $o{sub} // "test-$role", roles => [$role], exp => time + 3600, tenant_id => $o{company},
        %{ $o{claims} // {} });
    return jwt($o{alg} // 'HS256', $o{secret} // $self->{stack}->jwt_secret, $claims,
        kid => $o{kid} // Wflows::Stack::JWT_KID(), %{ $o{header} // {} });
}

# Another caller on the same server: mint's options, or token, api_key, or nobody => 1.
sub as {
    my ($self, %o) = @_;
    my %who = map { exists $o{$_} ? ($_ => $o{$_}) : () } qw(token api_key nobody);
    $who{token} = $self->mint(%o) unless %who;
    return ref($self)->new($self->{stack}, %who, headers => { %{ $self->{headers} }, %{ $o{headers} // {} } });
}

sub as_nobody { return $_[0]->as(nobody => 1) }
sub as_key { my ($self, $key) = @_; return $self->as(api_key => $key) }

# ---- calls --------------------------------------------------------------------------------------------

# `path` below /api/v2. `body`: undef none, a structure, or the text itself. Options: headers, type (of the body),
# query {name => value}, if_match (an ETag as it came), key (Idempotency-Key). Returns status, headers, body, json
# (undef: the body is none), etag.
sub call {
    my ($self, $method, $path, $body, %o) = @_;
    my %headers = (%{ $self->{headers} }, %{ $o{headers} // {} });
    my $url = $self->{stack}->httpd->url("/api/v2$path");
    if ($o{query}) {
        $url .= '?' . $self->{http}->www_form_urlencode($o{query});
    }
    if (defined $self->{token}) { $headers{authorization} //= "Bearer $self->{token}" }
    if (defined $self->{api_key}) { $headers{'x-api-key'} //= $self->{api_key} }
    $headers{'if-match'} = $o{if_match} if defined $o{if_match};
    $headers{'idempotency-key'} = $o{key} if defined $o{key};
    my %request = (headers => \%headers);
    if (defined $body) {
        $request{content} = ref $body ? $json->encode($body) : $body;
        $headers{'content-type'} = $o{type} // 'application/json';
    }
    my $r = $self->{http}->request($method, $url, \%request);
    croak "$method $path: $r->{content}" if $r->{status} == 599;
    my $is_json = ($r->{headers}{'content-type'} // '') =~ m{^application/(?:problem\+)?json\b};
    $r->{content} //= '';
    my $reply = { status => $r->{status}, headers => $r->{headers}, body => $r->{content},
        json => $is_json && length($r->{content}) ? $json->decode($r->{content}) : undef, etag => $r->{headers}{etag} };
    Wflows::Contract->put_down($method, $path, $reply);
    return $reply;
}

sub get { my ($self, $path, %o) = @_; return $self->call('GET', $path, undef, %o) }
sub head { my ($self, $path, %o) = @_; return $self->call('HEAD', $path, undef, %o) }
sub options { my ($self, $path, %o) = @_; return $self->call('OPTIONS', $path, undef, %o) }
sub post { my ($self, $path, $body, %o) = @_; return $self->call('POST', $path, $body, %o) }
sub put { my ($self, $path, $body, %o) = @_; return $self->call('PUT', $path, $body, %o) }
sub patch { my ($self, $path, $body, %o) = @_; return $self->call('PATCH', $path, $body, %o) }
sub delete { my ($self, $path, %o) = @_; return $self->call('DELETE', $path, undef, %o) }

# What a test must have before it can begin: the answer's document, or the test ends here.
sub must {
    my ($self, $method, $path, $body, %o) = @_;
    my $r = $self->call($method, $path, $body, %o);
    croak "$method $path: $r->{status} $r->{body}" if $r->{status} >= 300;
    return $r->{json};
}

# The pointers of a problem's errors, sorted: what was found wrong.
sub pointers {
    my ($r) = @_;
    return join(' ', sort map { $_->{pointer} } @{ ($r->{json} // {})->{errors} // [] });
}

1;
