//! The phrases by which prompts show their kind, in English and Spanish. A phrase is a list of
//! words that follow each other with at most [`super::kind`]'s few others between them; `|`
//! separates spellings of one place. Lower case and without accents, as `tokens` makes words.

/// The key or the words were not one of those offered.
pub(super) const INVALID: &[&str] = &[
    "not|isn't|wasn't valid|recognized|recognised|recognise|recognize",
    "not|isn't|wasn't a|an valid|available|correct option|selection|choice|entry|extension|key|response|number",
    "invalid|incorrect option|selection|choice|entry|extension|key|response|input|number|code",
    "that|it|entry|selection|option|extension is|was|isn't|wasn't invalid|incorrect|unavailable",
    "extension|option|mailbox does|doesn't not|exist exist|exist",
    "no such extension|option|mailbox",
    "did|didn't|don't not|didn't|understand understand|recognize|recognise your|that|what|you",
    "don't|didn't|couldn't|cannot|can't understand|recognize|recognise",
    "not understand|recognize|recognise",
    "that option|selection|extension|choice is|does not|no|unavailable",
    "not one of the options|choices",
    "cannot|can't|couldn't|unable process your|that selection|entry",
    "you pressed|entered|selected|dialed|made an|a invalid|incorrect|wrong",
    "opcion|entrada|seleccion|clave|extension|respuesta|tecla|numero invalida|invalido|incorrecta|incorrecto|inexistente",
    "opcion|entrada|seleccion|extension|respuesta|tecla|numero no es|existe|esta valida|valido|correcta|existe|disponible",
    "opcion|entrada|seleccion|extension|tecla|numero que marco|selecciono|ingreso|eligio no",
    "no es una opcion|entrada|seleccion|respuesta valida",
    "no entendi|entendimos|reconoci|reconocimos|comprendi|reconocemos",
    "no existe",
];

/// Nothing was understood: an answer to a wrong word if nothing else is said.
pub(super) const UNHEARD: &[&str] = &[
    "i|we didn't|did|couldn't|can't get|catch|hear|not|quite that|you|your|catch|get",
    "please try|choose|select again",
    "no pude|pudimos oirle|escucharle|entender|entenderle",
    "no le|lo escuche|oi|oimos|escuchamos",
];

/// Nothing was pressed or said.
pub(super) const NO_INPUT: &[&str] = &[
    "did|didn't|have|haven't not|received|receive|get|hear|heard|gotten receive|hear|get|your|a|anything|you|any",
    "no response|selection|input was|received|has",
    "are you still there",
    "you|you've not|have|haven't|did entered|made|make|enter|pressed",
    "i|we did|didn't|can't|cannot|couldn't hear|get|catch",
    "no hemos recibido",
    "no recibimos|recibi|escuchamos|detectamos su|ninguna|una|respuesta",
    "sigue ahi",
];

/// A message may be left.
pub(super) const VOICEMAIL: &[&str] = &[
    "leave|record|deje|dejar|grabe a|your|un|his|me|us|su|message|mensaje|name message|mensaje|name|voicemail|messages|after|at after|at|following|despues|al|tras|the",
    "after|at|following the tone|beep|sound|signal",
    "despues|luego|al del|de|escuchar|oir|la|el tono|senal|bip",
    "leave|deje a|your|me|us|message|su|un|name message|mensaje|name|number|nombre and|y|including|i|we|we'll|i'll|with",
    "leave|leaving me|us|your|a message|name|voicemail|voice",
    "record your message|greeting",
    "mailbox|voicemail|inbox is|has full|not|you",
    "mailbox has not been",
    "forwarded to voicemail|voice|an",
    "forwarded to an automatic|automated",
    "reached the|my voicemail|voice|mailbox",
    "reached the|my voice mail|mailbox",
    "please leave a|your message",
    "deje|dejar|deja su|un|tu|el mensaje|nombre",
    "grabe su mensaje",
    "buzon de voz",
    "buzon esta lleno",
];

/// The tone is announced: an answering machine, whatever it offers besides.
pub(super) const TONE: &[&str] = &[
    "after|at the tone|beep",
    "despues|luego del|de|la|el tono|senal",
    "escuchar el|la tono|senal",
];

/// The call is passed on.
pub(super) const TRANSFER: &[&str] = &[
    "transferring|connecting|redirecting|forwarding you|your|to|call|now|the",
    "transfer|connect|connecting|redirect|route|forward you|your to|call|now|with|over|through",
    "i'll|will|we'll|while|being|be|let|to connect|connected|transfer|transferred|redirected|transferring|connecting|routed",
    // Who says "you are connected with" introduces himself.
    "are transferred|redirected|transferring|connecting|routed",
    "being forwarded|passed|rerouted",
    "one moment please|while",
    "one moment",
    "just a moment",
    "please hold while|for|as|and",
    "please wait while",
    "hold on while",
    "hold while",
    "please stand by",
    "un momento",
    "transferir|transfiriendo|transferimos|transferido|transferida|transferiremos|transfiero",
    "comunicamos|comunicando|comunicaremos|comunicare|comunico|conectamos|conectando|conectaremos|conectar|conecto su|llamada|con|le|a|lo|la",
    "enlazando su|llamada|con",
    "no cuelgue mientras",
    "please hold the line",
    "hold please",
    "putting|put|patch|patching|get|getting you through|to|over",
];

/// The caller waits in a line of callers.
pub(super) const QUEUE: &[&str] = &[
    "your call is|very|extremely important",
    "your business is important",
    "your call|calls will|is be|next|first|answered answered|in in|line|the|by|shortly|momentarily|as",
    "next available|free",
    "first available",
    "all of|our|agents|representatives|operators|lines|associates|specialists|available|nurses agents|representatives|our|operators|are|lines|associates|specialists|busy busy|are|currently|representatives|agents|assisting|helping",
    "estimated|expected|approximate|average|current|anticipated wait|hold|waiting time|is",
    "wait|hold time|times is|are|may|longer",
    "caller|position|number|place in line|queue",
    "position|number|place in the line|queue",
    "you are|you're number|caller|currently|next|first",
    "callers|calls|people ahead|before|in of|you|line|front",
    "continue to hold",
    "please remain|stay|wait on|holding|in the|line|your",
    "remain|stay on the line and|your|for|while|someone|until|an|a|we",
    "currently|now|still assisting|helping|serving|busy other|with",
    "with other|another customers|callers|customer|caller|patients|members|guests",
    "answered in the order",
    "thank you for holding|waiting|your holding|waiting|patience|continued",
    "thanks for holding|waiting|your holding|waiting|patience",
    "high|higher|heavy|unusually call|than volume|volumes|normal|usual",
    "longer than usual|normal|expected",
    "will be right with|with with|you",
    "will|to be with|assist you|with|shortly shortly|momentarily|soon",
    "as soon as",
    "su llamada es|muy importante",
    "su llamada sera|va atendida|contestada|a",
    "sera atendido|atendida|en|por",
    "atenderemos en|su|tan|lo breve|llamada|pronto",
    "permanezca|espere|mantengase|quedese en la|el linea|espera",
    "siga esperando",
    "proximo|siguiente|primer agente|representante|operador|asesor|ejecutivo|disponible disponible",
    "todos|todas nuestros|nuestras|los|las agentes|representantes|operadores|lineas|asesores|ejecutivos|operadoras",
    "tiempo de|estimado espera",
    "agradecemos|gracias su|por su|paciencia|esperar|espera",
    "numero|lugar en la fila|cola",
    "en el orden en|que",
];

/// Everybody is busy: "please hold" is no transfer then.
pub(super) const BUSY: &[&str] = &[
    "helping|assisting|serving|with other|another",
    "all of|our|agents|representatives|operators|lines|associates|specialists are|agents|representatives|operators|lines busy|currently|helping|assisting|are",
    "hold|wait for|until next|first|the available|next|first",
    "will be answered",
    "important to us",
    "call volume",
    "answered in the order",
    "estan|estamos ocupados|ocupadas|atendiendo|ayudando",
    "muy|es importante para",
];

/// Something is to be entered or said.
pub(super) const INPUT: &[&str] = &[
    "key in your|the|a|an",
    "digit|digits|number|code|date and|then press|hit|push pound|hash|star",
    "digit|digits|number|code|date of|on|and|then|card and|press press|the|hit pound|hash|star",
    "marque|digite su|sus|los",
    "marque|digite la extension|clave|cuenta|fecha",
    "enter|type|input|provide|ingrese|introduzca|teclee|escriba|proporcione your|the|a|an|in|su|el|la|los|yours|all",
    "enter|type|ingrese|introduzca|digite|input|punch number|code|digits|digit|pin|password|passcode|date|zip|account|extension|numero|followed|it|them",
    "say|speak|state|spell|spelled|spelling|diga|pronuncie|deletree the|your|su|full|name|first|last name|full|nombre|number|numero|reason|address|account|city|state|date|fecha|first|last|birth|zip|street|order|member",
    "tell|say me|us in|briefly|what|how|why|the|your|about",
    "tell us|me",
    "how|what can|may|could|would i|we|you help|assist|do|like",
    "what can i|we",
    "you can say|ask",
    "describe the|your|in|briefly",
    "reason for your call|calling",
    "followed by the|pound|hash|a|star pound|hash|star|sign|beep|key|number",
    "seguido|seguida de|por|del la|tecla|signo|numeral|gato",
    "last|first|primeros|ultimos four|4|five|5|six|three|digits|letters|digitos|cuatro|tres digits|numbers|of|letters|digitos",
    "what is|are|what's your|the name|number|date|zip|account|birth|order|phone|address|amount|code|last|first",
    "what's your|the name|number|date|zip|account|order|reason|phone",
    "using|use the|your letters|keys|keypad|telephone|phone|touch",
    "know your|the party's|parties|party|extension|person's extension|dial|you|number",
    "dial|enter|marque the|your|la|su extension|party's|parties",
    "please|may say|enter yes|no|your",
    "how many",
    "en que puedo|podemos|le",
    "motivo|razon de su|la llamada",
    "digame|indique|diganos su|el|la|en|por|que",
];

/// Words of a machine that speaks like a person.
pub(super) const MACHINE: &[&str] = &[
    "automated|virtual|digital assistant|agent|system|attendant|operator",
    "asistente virtual|digital|automatico",
    "you can say|press|ask|also",
    "puede decir",
    "may|will|is be recorded|monitored",
    "in a few words",
    "please tell|say|enter|listen|leave",
];

/// A living person answers.
pub(super) const PERSON: &[&str] = &[
    "who is|am calling|this|speaking|i",
    "who's this|calling|there|speaking",
    "may|can i ask who",
    "may|can i|we tell who",
    "is anyone|anybody|somebody|someone there",
    "anyone|anybody there",
    "can|do you hear me",
    "are you there hello",
    "this is|here how|what can|may|do",
    "my name is|here how|what can|may|do",
    "speaking how can|may",
    "quien habla|llama|es",
    "con quien hablo|tengo",
    "de parte de quien",
    "le atiende|habla|saluda|asiste",
    "hay alguien ahi",
    "me escucha|oye",
    "i can't hear you",
    "i cannot hear you",
    "wrong number",
];

/// The call is about to end.
pub(super) const GOODBYE: &[&str] = &[
    "goodbye",
    "good bye",
    "bye",
    "have a nice|great|good|wonderful|pleasant day|evening|weekend|night",
    "adios",
    "hasta luego|pronto|manana",
    "que tenga un|una|buen|buena",
    "call back|again later|during|tomorrow|on|when|between",
    "try your call again|later",
    "vuelva a llamar",
    "llame|llamar nuevamente|mas|manana|durante",
];

/// Doing nothing is an answer too.
pub(super) const STAY_ON_LINE: &[&str] = &[
    "stay|remain|stand|hold on|by|the the|line line",
    "stay|remain on the line",
    "please hold",
    "wait for the|an|a next|operator|agent|representative",
    "permanezca|espere|quedese|mantengase en la|linea linea|espera",
];

/// An extension may be dialled at any time.
pub(super) const EXTENSION_ANY_TIME: &[&str] = &[
    "know your|the party's|parties|party|extension|person's extension|dial|you",
    "dial|enter extension at any",
    "dial|enter your|the|an party's|extension|person's at|extension any|at",
    "conoce|sabe la|el|numero extension|numero|de",
    "marque|marquela|marcar en|la cualquier|extension momento|en",
];
