/** What the page says for each code of the server, in Spanish. */
import type { notesEn } from "./notes-en";

const MISFIT = "Esta página y el servidor no se entienden. Vuelve a cargar la página.";
const NO_LANGUAGE =
  "Aquí no se entiende este idioma. Elige otro idioma, u otro motor de voz, en los ajustes.";
const CHOOSE_ANOTHER = "Lo que estaba elegido ya no está. Elige otro.";

export const notesEs: Record<keyof typeof notesEn, string> = {
  // -- providers and assistants
  hears: "Escribe mientras hablas.",
  hears_roughly: "Entiende el inglés a medias: falla en entre dos y cuatro palabras de cada diez.",
  answers: "Puede responder ya.",
  loads_when_asked:
    "Puede responder ya. La primera respuesta tarda un poco más, porque antes tiene que cargarse.",
  name_not_listed: "Puede responder ya, aunque el servicio no tiene en su lista un modelo con este nombre.",
  loading: "Se está cargando y funcionará enseguida.",
  repeats: "Solo repite lo que envías: sirve para hacer pruebas.",
  recognises_nothing: "No reconoce nada: sirve para hacer pruebas.",
  package_missing: "Una parte no está instalada en el servidor. Puede añadirla quien lo administra.",
  package_broken: "Está instalado, pero no arranca. Puede volver a instalarlo quien administra el servidor.",
  no_checkpoint: "Aún no se ha descargado el modelo con el que oye.",
  checkpoint_unusable: "Sus archivos están dañados o son de otra versión. Hay que descargarlos de nuevo.",
  no_room: "No cabe junto a lo que se está usando. Elige otro o inténtalo más tarde.",
  no_model_file: "Aún no se ha descargado ningún modelo.",
  several_model_files: "Hay varios modelos y ninguno es el habitual todavía. Elige uno.",
  model_file_missing: "El modelo que usa el servidor no está. Elige otro.",
  model_file_unusable:
    "No se ha podido cargar este modelo: el archivo está dañado o no se conoce, o falta memoria. Elige otro.",
  ended_again: "Ha fallado varias veces.",
  no_worker:
    "No hay ninguna máquina de las que pasan la voz a texto. Quien administra el servidor puede iniciar una.",
  not_running: "No está en marcha. Inícialo en el ordenador del servidor: se detecta solo.",
  not_set_up: "Aún no está configurado: falta la dirección, la clave o el modelo.",
  key_missing: "Falta su clave.",
  settings_wrong: "Hay algo mal en su configuración. Puede arreglarlo quien administra el servidor.",
  key_refused: "{{host}} no ha aceptado la clave. Revísala.",
  not_reached: "No se puede llegar a {{host}}. Comprueba que esté en marcha y que la dirección sea correcta.",
  not_answered_in_time: "{{host}} no ha respondido a tiempo. Inténtalo otra vez o elige otro modelo.",
  no_api_there: "{{host}} responde, pero en esa dirección no hay ningún modelo. Suele acabar en /v1.",
  answer_cut: "{{host}} se ha cortado antes de terminar la respuesta. Pregunta otra vez.",
  refused_there:
    "{{host}} no ha podido responder (error {{status}}). Inténtalo otra vez o elige otro modelo.",
  no_model_there: "En {{host}} aún no hay ningún modelo. Carga uno allí.",
  state_unknown: "No dice si funciona. Compruébalo de nuevo dentro de un momento.",
  calls_no_tools: "Su modelo no sabe usar herramientas. Dale otro modelo.",
  assistant_model_missing: "Su modelo, {{model}}, no está.",
  assistant_model_not_ready: "Su modelo, {{model}}, no puede responder ahora mismo.",

  // -- sound
  not_pcm16: "El servidor no entiende el sonido de esta página. Vuelve a cargarla.",
  no_signal: "El micrófono no da ningún sonido. ¿Está apagado, o has elegido otro?",
  clipping: "Se oye demasiado alto: aléjate o baja el volumen del micrófono.",
  wrong_rate: "El sonido llega a una velocidad equivocada. Vuelve a cargar la página.",

  // -- answers and requests
  stopped: "Parada.",
  interrupted: "El servidor se ha parado mientras respondía. Aquí está lo que había llegado.",
  internal_error: "Algo ha fallado en el servidor. Inténtalo otra vez.",
  http_error: "El servidor no ha podido hacerlo. Inténtalo otra vez.",
  bad_request: "El servidor no lo ha aceptado. Cámbialo o vuelve a cargar la página.",
  unauthorized: "Tu sesión ha terminado. Inicia sesión otra vez.",
  not_allowed: "El servidor no deja pasar a esta página. Quien lo administra puede permitir su dirección.",
  sharing_off:
    "En este servidor no se pueden compartir conversaciones. Quien lo administra puede permitirlo.",
  forbidden: "Tu cuenta no puede hacer esto. Puede permitirlo quien administra el servidor.",
  not_found: "Ya no está. Puede que se haya borrado.",
  nothing_final_yet: "Aún no se ha entendido nada. Dilo y vuelve a intentarlo.",
  busy: "En esta conversación aún se está escribiendo una respuesta. Espera a que acabe, o párala.",
  fetch_under_way: "Ya se está descargando algo. Espera a que termine o cancélalo.",
  not_removable: "Se está usando o no se descargó aquí. Puede quitarlo quien administra el servidor.",
  id_reused: "Esto ya se envió con otro texto. Vuelve a cargar la página y envíalo.",
  approval_over: "Ya es tarde para contestar: alguien contestó antes o se acabó el tiempo.",
  too_many_attempts: "Demasiadas contraseñas incorrectas.",
  storage_unavailable:
    "El servidor no puede guardar nada ahora mismo, así que esto no se ha guardado. Inténtalo dentro de un momento.",
  message_too_big: "Es demasiado largo para enviarlo de una vez. Envíalo por partes.",
  pdf_not_installed:
    "Este servidor no tiene PDF. Puede añadirlo quien lo administra. O exporta como HTML e imprímelo.",
  pdf_too_large: "Esta conversación es demasiado larga para un PDF. Expórtala como HTML e imprímela.",
  context_length_exceeded:
    "Esta conversación es más larga de lo que el modelo puede leer. Empieza otra o elige otro modelo.",
  missing_config: "Este modelo aún no está configurado. Elige otro o configúralo en los ajustes.",
  base_url_not_allowed: "El servidor no puede usar esa dirección. Puede permitirla quien lo administra.",
  provider_not_ready: "Lo que está elegido no funciona todavía. Elige otra cosa o inténtalo más tarde.",
  unknown_provider: CHOOSE_ANOTHER,
  unknown_model: CHOOSE_ANOTHER,
  model_not_found: CHOOSE_ANOTHER,
  upstream_error: "El modelo no ha podido responder. Inténtalo otra vez o elige otro modelo.",
  upstream_unauthorized: "El servicio del modelo no ha aceptado la clave. Revísala.",
  upstream_timeout: "El modelo ha tardado demasiado. Inténtalo otra vez o elige otro modelo.",
  upstream_truncated: "La respuesta se ha cortado antes de terminar. Pregunta otra vez.",
  rate_limit_exceeded: "El servicio del modelo no acepta más preguntas por ahora.",
  upstream_loading: "El modelo todavía se está cargando.",

  // -- dictation
  server_full: "El servidor no da abasto.",
  engine_failed: "El reconocimiento de voz ha fallado. Inténtalo otra vez.",
  language_not_supported: NO_LANGUAGE,
  audio_not_kept: "El sonido de este dictado ya no está guardado.",
  redo_under_way: "Este dictado ya se está volviendo a escuchar. Espera a que acabe, o cancélalo.",
  redo_interrupted: "El servidor se ha parado antes de escucharlo todo. Pídelo otra vez.",
  import_not_readable:
    "Este archivo no se puede leer: está dañado, incompleto o no es una exportación. Descárgalo otra vez.",
  import_not_recognised:
    "En este archivo no hay conversaciones de un producto conocido. Elige el archivo que el producto exportó.",
  import_too_large:
    "Este archivo contiene demasiado para una vez. Descomprímelo o divídelo, e importa las partes una a una.",
  import_under_way: "Todavía hay otra importación en marcha. Espera a que acabe, o cancélala.",
  import_interrupted:
    "El servidor se ha parado antes de acabar. Lo que llegó está completo; importa el archivo otra vez para traer el resto.",
  unsupported_file:
    "Este tipo de archivo no se puede adjuntar. Se pueden imágenes, textos, PDF, documentos de Word y grabaciones.",
  file_not_readable:
    "Este archivo no se puede leer: está dañado, protegido o es demasiado grande por dentro.",
  attachments_full: "Tus archivos ocupan todo el espacio que tienes aquí. Borra conversaciones con archivos.",
  images_not_supported: "Este modelo no ve imágenes. Elige otro, o envía solo sus nombres.",
  attachment_not_ready: "El texto de una grabación aún no está listo. Espera, o quita la grabación.",
  audio_not_readable: "Esta grabación no se puede leer. Prueba con otro formato.",
  idle_timeout: "Hace mucho que no se oye nada. Empieza otra vez.",
  slow_reader: "La conexión es demasiado lenta. Inténtalo otra vez.",
  session_too_long: "Este dictado ha llegado a su duración máxima. Empieza otro.",
  resume_refused: "No se ha podido continuar el dictado. Empieza otra vez.",
  method_not_allowed: MISFIT,
  invalid_json: MISFIT,
  invalid_message: MISFIT,
  unknown_type: MISFIT,
  not_started: MISFIT,
  already_started: MISFIT,
  audio_seq_mismatch: MISFIT,
  unsupported_format: MISFIT,
  invalid_sample_rate: MISFIT,
  sample_rate_changed: MISFIT,
  invalid_base64: MISFIT,
  odd_length: MISFIT,
  previous_response_not_found: MISFIT,
};
