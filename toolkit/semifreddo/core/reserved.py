"""Names that a design cannot have: it becomes an identifier of C++, Verilog and Tcl."""

from __future__ import annotations

import re

_CPP = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
constinit continue decltype default delete do double dynamic_cast else enum explicit export extern
false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr
operator or or_eq private protected public register reinterpret_cast requires return short signed
sizeof static static_assert static_cast struct switch template this thread_local throw true try
typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq
main std stdin stdout stderr errno linux unix assert offsetof
"""

# Functions that C and POSIX headers declare in the global namespace.
_C_FUNCTIONS = """
abort abs access acos acosh alarm alloca asctime asin asinh atan atan2 atanh atexit atof atoi atol
atoll bcmp bcopy brk bsearch bzero cabs cbrt ceil chdir chmod chown clearerr clock close copysign
cos cosh creat ctime daemon difftime div dprintf drand48 drem dup dup2 ecvt environ erf erfc execl
execv exit exp exp10 exp2 expm1 fabs fclose fcntl fcvt fdim fdopen feof ferror fflush ffs fgetc
fgetpos fgets fileno finite floor fma fmax fmin fmod fopen fork fprintf fputc fputs fread free
freopen frexp fscanf fseek fsetpos fsync ftell ftok fwrite gamma gcvt getc getchar getcwd getdate
getenv getline getopt getpid gets getsubopt getuid getw gmtime hypot ilogb index infinity ioctl
isalnum isalpha isatty isblank iscntrl isdigit isgraph isinf islower isnan isprint ispunct isspace
isupper isxdigit j0 j1 jn kill labs ldexp ldiv lgamma link llabs lldiv llrint llround localeconv
localtime lockf log log10 log1p log2 logb longjmp lrand48 lrint lround lseek malloc mblen mbstowcs
mbtowc memccpy memchr memcmp memcpy memmem memmove mempcpy memset mkdir mkdtemp mkstemp mktemp
mktime modf nan nearbyint nextafter nexttoward nice open optarg opterr optind optopt pathconf pause
pclose perror pipe popen pow pread printf putc putchar putenv puts putw pwrite qsort raise rand
random read readlink realloc realpath remainder remove remquo rename rewind rindex rint rmdir round
rpmatch sbrk scalb scalbln scalbn scanf select setbuf setenv setjmp setlocale setvbuf signal
signbit significand sin sincos sinh sleep snprintf sprintf sqrt srand srandom sscanf stime stpcpy
strcasecmp strcat strchr strcmp strcoll strcpy strcspn strdup strerror strftime strlen strncat
strncmp strncpy strndup strnlen strpbrk strptime strrchr strsep strspn strstr strtod strtof strtok
strtol strtold strtoll strtoul strtoull strxfrm swab symlink sync syscall system tan tanh tempnam
tgamma time timegm timezone tmpfile tmpnam toascii tolower toupper trunc truncate ttyname tzname
tzset ualarm umask uname ungetc unlink unsetenv usleep utime valloc vfork vfprintf vprintf vscanf
vsnprintf vsprintf wait wcstombs wctomb write y0 y1 yn
"""

_VERILOG = """
accept_on alias always always_comb always_ff always_latch assert assign assume automatic before
begin bind bins binsof bit buf bufif0 bufif1 byte casex casez cell chandle checker clocking cmos
config constraint context cover covergroup coverpoint cross deassign defparam design disable dist
edge endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup
endinterface endmodule endpackage endprimitive endprogram endproperty endsequence endspecify
endtable endtask event eventually expect extends final first_match force foreach forever forkjoin
function generate genvar global highz0 highz1 iff ifnone ignore_bins illegal_bins implements
implies import incdir include initial inout input inside instance integer interconnect interface
intersect join join_any join_none large let liblist library local localparam logic macromodule
matches medium modport module nand negedge nettype nexttime nmos nor noshowcancelled notif0 notif1
null output package packed parameter pmos posedge primitive priority program property pull0 pull1
pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure randc randcase randsequence rcmos real
realtime ref reg reject_on release repeat restrict rnmos rpmos rtran rtranif0 rtranif1
s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal
showcancelled small soft solve specify specparam strong strong0 strong1 super supply0 supply1
sync_accept_on sync_reject_on table tagged task throughout timeprecision timeunit tran tranif0
tranif1 tri tri0 tri1 triand trior trireg type unique unique0 until until_with untyped uwire var
vectored wait_order wand weak weak0 weak1 wildcard wire with within wnor wor xnor
"""

# Besides functions: what the same headers, and the vendor's, declare in the global namespace.
_C_NAMES = """
abi assert_perror be16toh be32toh be64toh daylight fd_mask fd_set getdate_err htobe16 htobe32
htobe64 htole16 htole32 htole64 issubnormal le16toh le32toh le64toh math_errhandling
program_invocation_name program_invocation_short_name retval signgam strdupa strndupa u_char u_int
u_long u_short uint ulong ushort va_list valtype
"""

# Names that the generated C++ has where it calls the design, and files that stand beside it.
_TEMPLATES = """
answer answers count defines device_digest div_roundup expected fail first frames give image
image_pixels image_size image_values images input load_task max min parameters result result_pixels
result_size result_values results run_images take task_memory task_pending task_words values words
wrong
"""

_WORDS = frozenset(f"{_CPP} {_C_FUNCTIONS} {_VERILOG} {_C_NAMES}".split())
_GENERATED = frozenset(_TEMPLATES.split())
_OURS = re.compile(
    r"(?:sf|ap|af|hls|nnet|semifreddo|aesl|ssdm)(?:_.*)?|.*__.*|.*_config|core|aclk|aresetn|clk|rst",
    re.I,
)
"""Namespaces, prefixes and endings of generated text, of hls4ml's and the vendor's headers."""

_TYPE = re.compile(r".*_t")
_MACRO = re.compile(r"[A-Z][A-Z0-9_]*|[LMP]_\w+|pthread_\w+")


def why_reserved(name: str) -> str | None:
    """What a name means already, or ``None`` if a design may have it."""
    if name in _WORDS:
        return "is a word of C, C++ or SystemVerilog"
    if _TYPE.fullmatch(name):
        return "ends in _t like a type of C"
    if _MACRO.fullmatch(name):
        return "has the form of a macro of C"
    if name in _GENERATED or _OURS.fullmatch(name):
        return "is a name of the generated text"
    return None
