package Wflows::Contract;

# Holds what /api/v2 answers against openapi.json, with a validator that is not ours (JSON::Validator). Wflows::Api
# puts down every reply; errlog_ok, which ends every end-to-end test, asks for the verdict.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Wflows::Process qw(read_file);

my $json = Cpanel::JSON::XS->new->utf8->allow_nonref;
my $contract;

# Of this build. undef: there is no such document, or no JSON::Validator; `why` says it.
sub of_build {
    return $contract //= do {
        my $file = ($ENV{WF_BUILDDIR} // '') . '/mod_wflows_admin/openapi.json';
        -e $file && eval { require JSON::Validator; 1 } ? Wflows::Contract->new($json->decode(read_file($file))) : undef;
    };
}

sub why { return eval { require JSON::Validator; 1 } ? 'this build has no openapi.json' : 'libjson-validator-perl is not installed' }

sub new {
    my ($class, $doc) = @_;
    my $self = bless { doc => $doc, problems => [], seen => 0, operations => {}, met => {} }, $class;
    # All of it, so that references are known wherever they stand.
    my $root = { %$doc, '$schema' => 'https://json-schema.org/draft/2020-12/schema' };
    $self->{schema} = JSON::Validator->new->schema($root)->schema;
    for my $path (sort keys %{ $doc->{paths} }) {
        (my $pattern = quotemeta $path) =~ s/\\\{\w+\\\}/[^\/]+/g;
        for my $method (sort keys %{ $doc->{paths}{$path} }) {
            push @{ $self->{operations}{ uc $method } }, [$path, qr/\A$pattern\z/, $doc->{paths}{$path}{$method}];
        }
    }
    return $self;
}

sub doc { return $_[0]{doc} }

# The operation of a path as it is called (below /api/v2), a literal segment before a parameter; undef: none.
sub operation {
    my ($self, $method, $path) = @_;
    $path =~ s/\?.*//s;
    my ($found) = sort { ($a->[0] =~ tr/{//) <=> ($b->[0] =~ tr/{//) } grep { $path =~ $_->[1] }
        @{ $self->{operations}{ $method eq 'HEAD' ? 'GET' : $method } // [] };
    return $found ? $found->[2] : undef;
}

# The pointed-to part where `what` is a {"$ref"}.
sub deref {
    my ($self, $what) = @_;
    while (ref $what eq 'HASH' && defined $what->{'$ref'}) {
        my @steps = split(m{/}, $what->{'$ref'});
        shift @steps;
        $what = $self->{doc};
        $what = $what->{$_} for @steps;
    }
    return $what;
}

# What is wrong with a document that should be of this schema.
sub faults {
    my ($self, $schema, $data) = @_;
    return map { "$_" } $self->{schema}->validate($data, $schema);
}

# What is wrong with a reply: a list of sentences. 405 and 404 of what is no route are nobody's operation.
sub check {
    my ($self, $method, $path, $r) = @_;
    my $op = $self->operation($method, $path);
    my $problem = $self->{doc}{components}{responses}{Problem404};
    # An encoded slash or NUL is refused by httpd itself.
    return () if $method eq 'OPTIONS' || $path =~ m{^/docs\b|%2f|%00}i;
    undef $op if $r->{status} == 405;
    my $said = $op ? $op->{responses}{ $r->{status} } : $r->{status} =~ /^40[45]$/ ? $problem : undef;
    my $what = ($op ? $op->{operationId} : "$method $path") . " $r->{status}";
    return ("$what: not in openapi.json") unless $said;
    $self->{met}{ $op->{operationId} }{ $r->{status} }++ if $op;
    return $self->_check_body($what, $self->deref($said), $method, $r);
}

sub _check_body {
    my ($self, $what, $said, $method, $r) = @_;
    my $has = length($r->{body} // '') > 0;
    my %headers = %{ $said->{headers} // {} };
    my @faults = map { my $h = lc; $h =~ /^(?:x-request-id|location)$/ && !defined $r->{headers}{$h} ? "$what: no $_ header" : () } keys %headers;

    return @faults if $method eq 'HEAD' || (!$has && $r->{status} =~ /^(?:201|204|304)$/);
    return (@faults, $has ? "$what: has a body" : ()) unless $said->{content};
    my ($type) = ($r->{headers}{'content-type'} // '') =~ /^([^;\s]+)/;
    my $media = defined $type ? $said->{content}{$type} // $said->{content}{'*/*'} : undef;
    return (@faults, "$what: of type " . ($type // 'none')) unless $media;
    return @faults unless $type =~ /\bjson\z/;
    return (@faults, map { "$what: $_" } $self->faults($media->{schema}, $r->{json}));
}

# ---- over a whole test ------------------------------------------------------------------------------------

# So many of each operation and status: a load test is not looked at reply by reply.
my $most = 300;

sub put_down {
    my ($class, $method, $path, $r) = @_;
    my $self = of_build() or return;
    my $op = $self->operation($method, $path);
    $self->{seen}++;
    return if $op && ($self->{met}{ $op->{operationId} }{ $r->{status} } // 0) >= $most;
    push @{ $self->{problems} }, $self->check($method, $path, $r);
}

# (number of replies, what was wrong, each once); (0) where there was none.
sub verdict {
    my $self = $contract or return (0);
    my %once = map { $_ => 1 } @{ $self->{problems} };
    my $n = $self->{seen};
    @$self{qw(seen problems)} = (0, []);
    return ($n, sort keys %once);
}

1;
